package marker

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

// A claimant is whom a unique name stands for. What it does not tell is zero.
type claimant struct {
	host string
	pid  int
	near bool // pid means here what it meant to whoever wrote it
	far  bool // it certainly does not: another boot or container wrote it
}

// newName returns a name that nobody else has: host-tag.pid-number.
func newName() (string, error) {
	host, err := os.Hostname()
	if err == nil && (!record.ValidHost(host) || !isElement(host)) {
		err = fmt.Errorf("its name is %q", host)
	}
	if err != nil {
		return "", fmt.Errorf("this host cannot be named in a marker: %w", err)
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	self := procid.Self()
	return formatName(host, self.Space, self.PID, binary.BigEndian.Uint64(b[:])>>1), nil
}

// formatName has for a tag the set of processes that pid is unique in, where
// lockfile has 32 bits of the thread's number.
func formatName(host string, space uint64, pid int, number uint64) string {
	return fmt.Sprintf("%s-%x.%d-%d", host, space, pid, number)
}

// parseName reads a unique name, lockfile's as well. It reports whether it is one.
func parseName(name string) (c claimant, ok bool) {
	left, right, ok := cutLast(name, ".")
	if !ok || left == "" || len(name) > 255 || !isElement(name) || strings.ContainsFunc(name, procid.Control) {
		return claimant{}, false
	}
	pid, number, signed := strings.Cut(right, "-")
	switch {
	case signed && digits(pid) && digits(number): // a link's, with a negative hash
	case !signed && digits(pid): // with a positive one, unless it is too short for that
	case signed && pid == "" && hex(number): // in a directory: thread and pid without a border
	default:
		return claimant{}, false
	}
	own, _ := os.Hostname()
	c.pid, c.host = parsePID(pid), left
	if host, tag, ok := cutLast(left, "-"); ok && host != "" && hex(tag) && left != own {
		space, err := strconv.ParseUint(tag, 16, 64)
		c.host = host
		c.near = err == nil && space == procid.Self().Space && host == own && signed && c.pid != 0
		c.far = err == nil && space != procid.Self().Space && len(tag) > threadDigits
	}
	return c, true
}

// threadDigits is the most that lockfile has for a tag. Of ours one in 4 billion
// is no longer.
const threadDigits = 8

// parsePID returns the process id that text is in decimal, or 0.
func parsePID(text string) int {
	pid, err := strconv.ParseUint(text, 10, 64)
	if err != nil || pid > math.MaxInt32 || !digits(text) {
		return 0
	}
	return int(pid)
}

// isElement reports whether s can stand in a path as one element of it.
func isElement(s string) bool { return s == filepath.Base(s) && !os.IsPathSeparator(s[0]) }

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
func hex(s string) bool    { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }
