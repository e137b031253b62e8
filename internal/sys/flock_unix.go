//go:build unix && !aix

package sys

import (
	"errors"
	"fmt"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// TryLock tries once to take the advisory lock of flock(2) on the open file,
// shared or exclusive. It fails with [ErrBusy] where others have it and with
// [ErrNoLocks] where the file system does not know it.
func (f File) TryLock(shared bool) error {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := call(fault.Lock, "", func() error { return unix.Flock(f.fd, how|unix.LOCK_NB) })
	return lockError(f, err)
}

// Unlock gives back what [File.TryLock] took, whatever duplicates of the
// descriptor there are.
func (f File) Unlock() error {
	return call(fault.Unlock, "", func() error { return unix.Flock(f.fd, unix.LOCK_UN) })
}

// lockError sorts what an attempt to lock f came to.
func lockError(f File, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrBusy
	case errors.Is(err, unix.EACCES) && conflictIsEACCES(f):
		return ErrBusy
	}
	for _, none := range []error{
		unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP,
		unix.EINVAL, // gVisor, of record locks
		unix.ENOLCK, // NFS 3 without its lock daemon
	} {
		if errors.Is(err, none) {
			return fmt.Errorf("%w: %w", ErrNoLocks, err)
		}
	}
	return err
}

func (f File) duplicate() (File, error) {
	fd, err := unix.FcntlInt(uintptr(f.fd), unix.F_DUPFD_CLOEXEC, 0)
	return File{fd}, err
}
