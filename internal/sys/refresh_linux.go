package sys

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// OnDisk reports whether the file is on a device of this system, so that no server
// has to be asked for its names. Without a device it may be, too.
func (id ID) OnDisk() bool { return unix.Major(id.Dev) != 0 }

// Refresh has the system ask a file server about the directory dir. Until then it
// may go by what it was told of the names in it before, for up to a minute: see
// "Directory entry caching" in nfs(5). It does nothing where that cannot be asked for.
func Refresh(dir string) error {
	var st unix.Statx_t
	err := call(fault.Stat, dir, func() error {
		return unix.Statx(unix.AT_FDCWD, dir, unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st)
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, fs.ErrPermission) { // of a sandbox
		return nil
	}
	return err
}
