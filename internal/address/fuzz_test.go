package address

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzSplit: the parts of a path are those that make it, without the separators
// at its end, and what is beside it is in the same directory.
func FuzzSplit(f *testing.F) {
	for _, path := range []string{"x", "/", "//", "a/..//b/", "./x.lock", `C:x`, `\\host\share\x`, `C:\`} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if path == "" || strings.ContainsRune(path, 0) {
			return
		}
		if volume := filepath.VolumeName(path); len(volume) > 0 && os.IsPathSeparator(volume[0]) {
			return // Windows: a server's, or half of its name
		}
		dir, base := Split(path)
		if dir == "" || base == "" || strings.ContainsFunc(base, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(byte(r)) }) {
			t.Errorf("%q is %q and %q", path, dir, base)
		}
		if base != "." && filepath.Clean(dir+string(filepath.Separator)+base) != filepath.Clean(path) && filepath.VolumeName(path) == "" {
			t.Errorf("%q is %q and %q", path, dir, base)
		}
		other, name := Split(Beside(path, "other"))
		if name != "other" || filepath.Clean(other) != filepath.Clean(dir) {
			t.Errorf("beside %q, in %q, is what is in %q", path, dir, other)
		}
	})
}
