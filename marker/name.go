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
}

// newName returns a name that nobody else has: host-tag.pid-number.
func newName() (string, error) {
	host, err := os.Hostname()
	if err == nil && (!record.ValidHost(host) || host != filepath.Base(host)) {
		err = fmt.Errorf("its name is %q", host)
	}
	if err != nil {
		return "", fmt.Errorf("this host cannot be named in a marker: %w", err)
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	number := binary.BigEndian.Uint64(b[:])>>1 | 1
	return fmt.Sprintf("%s-%x.%d-%d", host, tag(), os.Getpid(), number), nil
}

// tag stands for the set of processes that this one's id is unique in, where
// lockfile has the thread.
func tag() uint32 {
	space := procid.Self().Space
	return uint32(space>>32) ^ uint32(space)
}

// parseName reads a unique name, lockfile's as well. It reports whether it is one.
func parseName(name string) (c claimant, ok bool) {
	left, right, ok := cutLast(name, ".")
	if !ok || left == "" || len(name) > 255 || name != filepath.Base(name) || strings.ContainsFunc(name, procid.Control) {
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
	c.pid = parsePID(pid)
	c.host = left
	thread := ""
	if host, _ := os.Hostname(); left == host {
		return c, true
	} else if after, ok := strings.CutPrefix(left, host+"-"); ok && hex(after) {
		c.host, thread = host, after
	} else if before, after, ok := cutLast(left, "-"); ok && hex(after) {
		c.host = before
	}
	n, err := strconv.ParseUint(thread, 16, 32)
	c.near = err == nil && uint32(n) == tag() && signed && c.pid != 0
	return c, true
}

// parsePID returns the process id that text is in decimal, or 0.
func parsePID(text string) int {
	pid, err := strconv.ParseUint(text, 10, 64)
	if err != nil || pid > math.MaxInt32 || !digits(text) {
		return 0
	}
	return int(pid)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
func hex(s string) bool    { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }
