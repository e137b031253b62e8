//go:build unix

package sys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// A File is an open file that is closed by Close and by nothing else.
type File struct{ fd int }

// LockedBytes counts the bytes at the start of a locked file that others
// cannot read.
const LockedBytes = 0

// always holds the flags that every file is opened with: see the package
// comment. O_NOCTTY keeps a terminal at the path from becoming ours.
const always = unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// call does one operation, again and again while a signal interrupts it.
func call(op fault.Op, path string, do func() error) error {
	for {
		err := fault.Before(op, path)
		if err == nil {
			err = fault.After(op, path, do())
		}
		if err != unix.EINTR {
			return os.NewSyscallError(string(op), err)
		}
	}
}

// Open opens the existing file at path. It fails with [ErrBusy] where somebody
// has a lease of the file, which the system is asking back now.
func Open(path string, access Access) (f File, err error) {
	flags := always | unix.O_RDONLY
	if access == ReadWrite || access == Touch {
		flags = always | unix.O_RDWR
	}
	err = call(fault.Open, path, func() (err error) {
		f.fd, err = unix.Open(path, flags, 0)
		return err
	})
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return f, err
}

// Create makes the file at path and opens it for reading and writing. It fails
// with [fs.ErrExist] where anything is there. The umask applies to perm.
func Create(path string, perm fs.FileMode) (f File, err error) {
	err = call(fault.Create, path, func() (err error) {
		f.fd, err = unix.Open(path, always|unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, uint32(perm.Perm()))
		return err
	})
	return f, err
}

func fileOf(fd uintptr) File   { return File{int(fd)} }
func (f File) number() uintptr { return uintptr(f.fd) }

// Flush has the file system store what it stores when a file is closed, and say
// what it says then.
func (f File) Flush() error {
	dup, err := f.dup("")
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	return dup.Close()
}

// Close closes f. Whatever it returns, the descriptor is gone afterwards, so
// it is never tried again: another thread may own the number by then.
func (f File) Close() error {
	err := fault.After(fault.Close, "", unix.Close(f.fd))
	if err == unix.EINTR {
		return nil
	}
	return os.NewSyscallError(string(fault.Close), err)
}

// Info describes f.
func (f File) Info() (Info, error) {
	var st unix.Stat_t
	if err := call(fault.Fstat, "", func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

// Stat describes the file at path, at the end of all symbolic links.
func Stat(path string) (Info, error) {
	var st unix.Stat_t
	if err := call(fault.Stat, path, func() error { return stat(path, &st, 0) }); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

// Lstat describes what is at path itself.
func Lstat(path string) (Info, error) {
	var st unix.Stat_t
	if err := call(fault.Lstat, path, func() error { return stat(path, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) Info {
	mode := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	default:
		mode |= fs.ModeIrregular
	}
	return Info{
		ID:       ID{uint64(st.Dev), uint64(st.Ino)},
		Mode:     mode,
		Owner:    int64(st.Uid),
		Size:     st.Size,
		ModTime:  nanoseconds(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)),
		Accessed: nanoseconds(int64(st.Atim.Sec), int64(st.Atim.Nsec)),
		Links:    int(st.Nlink),
		Changed:  nanoseconds(int64(st.Ctim.Sec), int64(st.Ctim.Nsec)),
		Fine:     st.Ctim.Nsec%1e6 != 0,
	}
}

// ReadAt fills b from offset off, as [io.ReaderAt] does: fewer bytes come with
// an error, which at the end of the file is [io.EOF].
func (f File) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m int
		err := call(fault.Read, "", func() (err error) {
			m, err = unix.Pread(f.fd, b[n:], off+int64(n))
			return err
		})
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}

// WriteAt writes b at offset off, all of it or with an error.
func (f File) WriteAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m int
		err := call(fault.Write, "", func() (err error) {
			m, err = unix.Pwrite(f.fd, b[n:], off+int64(n))
			return err
		})
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

// Truncate changes the size of f.
func (f File) Truncate(size int64) error {
	return call(fault.Truncate, "", func() error { return unix.Ftruncate(f.fd, size) })
}

// Chmod sets the permissions of f, whatever the umask.
func (f File) Chmod(perm fs.FileMode) error {
	return call(fault.Chmod, "", func() error { return unix.Fchmod(f.fd, uint32(perm.Perm())) })
}

// IsGone reports whether err says that the file is not there, or no longer. A
// server that calls something on the way stale has not said that.
func IsGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// IsStale reports whether err says that a file is no longer there which has just
// been seen, or is open.
func IsStale(err error) bool { return IsGone(err) || errors.Is(err, unix.ESTALE) }

// MayRead reports whether a file that cannot be opened for writing for the
// reason err can perhaps be opened for reading: it is somebody else's, or the
// file system's, or immutable, or a program that is running, or a directory.
func MayRead(err error) bool {
	for _, reason := range []error{unix.EACCES, unix.EROFS, unix.EPERM, unix.ETXTBSY, unix.EISDIR} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// getwd asks the system, and not $PWD: that may lead through a symbolic link,
// which can be made to lead elsewhere.
func getwd() (string, error) {
	dir, err := syscall.Getwd()
	if err == nil && !filepath.IsAbs(dir) {
		err = unix.ENOENT // Linux: "(unreachable)/…"
	}
	return dir, err
}

// Link gives the file at oldpath a second name. It fails with [fs.ErrExist]
// where anything has that name.
func Link(oldpath, newpath string) error {
	return nameError(call(fault.Link, newpath, func() error { return syscall.Link(oldpath, newpath) }))
}

// nameError sorts what an attempt to give a name came to.
func nameError(err error) error {
	for _, none := range []error{
		unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP,
		unix.EINVAL, // of a rename that the file system knows no flags of
		unix.EPERM,  // FAT
		unix.EACCES, // Android, in a directory that we can write to
	} {
		if errors.Is(err, none) {
			return fmt.Errorf("%w: %w", ErrNoNames, err)
		}
	}
	return err
}

// Remove takes away the name path of a file that is not a directory.
func Remove(path string) error {
	return call(fault.Unlink, path, func() error { return unix.Unlink(path) })
}
