//go:build unix

package sys

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// nonBlock keeps the opening of a named pipe from waiting.
const nonBlock = unix.O_NONBLOCK

// isLeased reports whether a file could not be opened because somebody has a
// lease of it, which the system is asking back.
func isLeased(err error) bool { return errors.Is(err, unix.EWOULDBLOCK) }

func isShut(error) bool { return false }

// Rename renames oldpath to newpath, whatever has that name.
func Rename(oldpath, newpath string) error {
	return call(fault.Rename, newpath, func() error { return syscall.Rename(oldpath, newpath) })
}

// Sync has the content of f stored so that a power failure does not undo it.
func (f File) Sync() error {
	return call(fault.Sync, "", func() error { return fsync(f.fd) })
}

// SyncDir has the names in the directory at path stored so that a power failure
// does not undo them, if the system can do that and this user may.
func SyncDir(path string) error {
	var f File
	err := call(fault.Open, path, func() (err error) {
		f.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
		return err
	})
	if errors.Is(err, fs.ErrPermission) { // one can write to directories that one cannot read
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) { // the file system does not do that
		err = nil
	}
	return errors.Join(err, f.Close())
}

// TakeOwner gives f the owner and the group of a file that info is of. It
// reports whether the group is the same then; that of a file can be given it by
// root and by its members alone, and its owner by root.
func (f File) TakeOwner(info fs.FileInfo) (sameGroup bool, err error) {
	own, err := f.owner()
	if err != nil {
		return false, err
	}
	like, ok := info.Sys().(*syscall.Stat_t)
	if !ok || own.Uid == uint32(like.Uid) && own.Gid == uint32(like.Gid) {
		return true, nil
	}
	for _, uid := range []int{int(like.Uid), -1} { // -1 changes nothing
		err = call(fault.Chown, "", func() error { return unix.Fchown(f.fd, uid, int(like.Gid)) })
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EINVAL) {
			return err == nil, err
		}
	}
	return own.Gid == uint32(like.Gid), nil
}

func (f File) owner() (st unix.Stat_t, err error) {
	err = call(fault.Fstat, "", func() error { return unix.Fstat(f.fd, &st) })
	return st, err
}
