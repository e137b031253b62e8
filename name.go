package filelock

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Name returns a path in dir for the lock of anything that has a name: a URL, a
// branch, the path of something in another place. Different keys have different
// paths, on file systems too that do not tell upper case from lower, and a key
// has the same one in every process, on every system, and in all versions of
// this package. It looks at nothing and makes nothing.
//
// The last element is the key with ".lock" after it. Of the key a to z, 0 to 9,
// dots, hyphens and underscores are kept, and all other bytes are written %xx. If
// that is longer than 135 bytes, the rest of it is replaced by a tilde and 32
// digits of the key's SHA-256.
func Name(dir, key string) string {
	return filepath.Join(dir, shortened(escaped(key), key)+".lock")
}

const (
	longestName = 135 // with ".lock" there is room for it wherever 143 bytes are, the least that is met
	keptOfLong  = 64
)

func shortened(name, key string) string {
	if len(name) <= longestName {
		return name
	}
	name = name[:keptOfLong]
	if i := strings.LastIndexByte(name, '%'); i > len(name)-3 { // not half of an escape
		name = name[:i]
	}
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("%s~%x", name, sum[:16])
}

func escaped(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || (c == '-' || c == '.') && i > 0
		if plain && !(i == 0 && isDevice(key)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if key == "" {
		return "%"
	}
	return b.String()
}

// isDevice reports whether a file of the name key, whatever follows a dot in it,
// would be a device on Windows.
func isDevice(key string) bool {
	stem, _, _ := strings.Cut(key, ".")
	if len(stem) == 4 && '0' <= stem[3] && stem[3] <= '9' {
		stem = stem[:3] + "0"
	}
	return slices.Contains([]string{"con", "prn", "aux", "nul", "com0", "lpt0"}, stem)
}
