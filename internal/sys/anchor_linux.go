package sys

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// Anchor returns a path that leads to the directory at path until it is let go,
// wherever that is moved and whatever takes its place. It does not follow a link at
// path unless it is told to. Where that cannot be had it returns path.
func Anchor(path string, follow bool) (at string, letGo func(), err error) {
	flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	var f File
	err = call(fault.Open, path, func() (err error) {
		f.fd, err = unix.Open(path, flags, 0)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return f.Anchored(path), func() { unix.Close(f.fd) }, nil
}

// Anchored returns a path that leads to the directory f as long as it is open, or
// path where that cannot be had: without /proc.
func (f File) Anchored(path string) string {
	at := "/proc/self/fd/" + strconv.Itoa(f.fd)
	var opened, named unix.Stat_t
	if unix.Fstat(f.fd, &opened) != nil || unix.Stat(at, &named) != nil || opened.Dev != named.Dev || opened.Ino != named.Ino {
		return path
	}
	return at
}
