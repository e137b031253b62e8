//go:build linux || darwin || freebsd

package probe

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/sys"
)

// lockProcess tries once to take the record lock of fcntl(2) that belongs to the
// process. To close any descriptor of the file gives it back.
func lockProcess(path string, shared bool) (unlock func() error, err error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if shared {
		l.Type = unix.F_RDLCK
	}
	err = unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l)
	switch {
	case err == nil:
		return func() error { return unix.Close(fd) }, nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		err = sys.ErrBusy
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		err = sys.ErrNoLocks
	}
	return nil, errors.Join(err, unix.Close(fd))
}
