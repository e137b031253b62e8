package lease

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gofilelock/filelock/internal/procid"
)

// A claim is a file that becomes the lock by a second name. Its own name, which
// is also what stands in it, is the lock file's path, the host, the process id
// and a random number.
//
// flufl.lock uses one claim for all holds of a Lock object, ours are different
// each time. They are told apart by their numbers: Python's do not have the
// highest of 64 bits. Next to that, ours have some bits of the number of the
// space of process ids, since a container's name may be another's, too.

// maxClaim is how long the name of a claim may be, in bytes: no longer path can
// be opened on any system that we know.
const maxClaim = 4096

// Details is what a lock file says of its holder. Anybody may have written it.
type Details struct {
	Host     string
	PID      int
	LockFile string // the path as the holder spells it
	Claim    string // the name of the holder's claim
}

// claimEnd returns what follows the lock file's path in the name of a claim.
func claimEnd(host string, separator rune) string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	number := ours | space()<<randomBits | binary.BigEndian.Uint64(b[:])&(1<<randomBits-1)
	return strings.Join([]string{"", host, strconv.Itoa(os.Getpid()), strconv.FormatUint(number, 10)}, string(separator))
}

const (
	ours       = 1 << 63
	randomBits = 40
	spaceBits  = 63 - randomBits
)

// space returns what a number of ours has of the space of process ids.
func space() uint64 { return procid.Self().Space & (1<<spaceBits - 1) }

// far reports whether the claim was made in another boot or container, where the
// process id certainly meant another process. Of Python's that is not known.
func (d Details) far() bool {
	number, err := strconv.ParseUint(d.Claim[len(strings.TrimRight(d.Claim, "0123456789")):], 10, 64)
	return err == nil && number&ours != 0 && number&^ours>>randomBits != space()
}

// parseClaim reads the name of a claim. Whether it stands for one hold only is
// known of those that we make.
func parseClaim(text string, separator rune) (d Details, once, ok bool) {
	if len(text) > maxClaim { // and is only the start of something
		return Details{}, false, false
	}
	text = strings.TrimRightFunc(text, unicode.IsSpace) // as flufl.lock does, but a path may begin so
	parts := strings.Split(text, string(separator))
	if len(parts) != 4 {
		return Details{}, false, false
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil || pid <= 0 {
		return Details{}, false, false
	}
	number, err := strconv.ParseUint(parts[3], 10, 64)
	if err != nil {
		return Details{}, false, false
	}
	return Details{Host: parts[1], PID: pid, LockFile: parts[0], Claim: text}, number&ours != 0, true
}

func defaultSeparator() rune {
	if runtime.GOOS == "windows" {
		return '^'
	}
	return '|'
}

// checkSeparator reports which rule the separator breaks.
func checkSeparator(r rune, path string) error {
	switch {
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return invalid("the separator %q is a letter or a digit", r)
	case r == '/', r < unicode.MaxASCII && os.IsPathSeparator(byte(r)):
		return invalid("the separator %q is one of paths", r)
	case procid.Control(r), r == unicode.ReplacementChar, string(r) == string(unicode.ReplacementChar):
		return invalid("the separator %q is not a character that can be shown", r)
	case strings.ContainsRune(path, r):
		return invalid("the separator %q is in the path", r)
	}
	return nil
}

// checkHost reports whether the host's name cannot be a part of a claim's.
func checkHost(host string, separator rune) error {
	switch {
	case strings.ContainsRune(host, separator):
		return invalid("the separator %q is in the host's name, %q", separator, host)
	case host == "", strings.ContainsAny(host, `/\`), strings.ContainsFunc(host, procid.Control):
		return invalid("%q cannot be the host's name in a claim", host)
	}
	return nil
}

// longest is a lifetime that all file systems can write the end of for now. Some
// know no time after 2038.
const longest = 5 * 365 * 24 * time.Hour

func checkLifetime(d time.Duration) error {
	switch {
	case d < time.Second:
		return invalid("a lifetime of %s is less than a second, in which the ends of leases are written", d)
	case d > longest:
		return invalid("a lifetime of %s is more than five years, for which not all file systems have a time", d)
	}
	return nil
}

// invalid makes an error for what makes no sense.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", fs.ErrInvalid, fmt.Sprintf(format, args...))
}

// host returns what this machine is called.
func (b *backend) host(ctx context.Context) (string, error) {
	if b.config.Host != "" {
		return b.config.Host, nil
	}
	return fqdn(ctx)
}
