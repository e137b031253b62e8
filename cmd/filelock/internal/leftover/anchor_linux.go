package leftover

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// anchor returns a path that leads to the directory at path until it is let go,
// wherever that is moved and whatever takes its place. It does not follow a link at
// path unless it is told to. Where /proc is not there it returns path.
func anchor(path string, follow bool) (at string, letGo func(), err error) {
	flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	if err := fault.Before(fault.Open, path); err != nil {
		return "", nil, err
	}
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("open", err)
	}
	at = fmt.Sprintf("/proc/self/fd/%d", fd)
	if _, err := os.Stat(at); err != nil {
		at = path
	}
	return at, func() { unix.Close(fd) }, nil
}
