package sys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/windows"
)

// A File is an open file that is closed by Close and by nothing else.
type File struct{ handle windows.Handle }

// LockedBytes counts the bytes at the start of a locked file that others
// cannot read.
const LockedBytes = 1

// HasRecordLocks reports whether there are record locks beside those that
// [File.TryLock] takes, which on Windows are record locks themselves.
const HasRecordLocks = false

// call does one operation, and again for about 130 ms while it fails as it
// does when somebody has the file open for an instant or is deleting it, or what
// was in a directory.
func call(op fault.Op, path string, do func() error) error {
	for pause := time.Millisecond; ; pause *= 2 {
		err := fault.Before(op, path)
		if err == nil {
			err = fault.After(op, path, do())
		}
		if pause > 64*time.Millisecond || !transient(err) {
			return os.NewSyscallError(string(op), err)
		}
		time.Sleep(pause)
	}
}

func transient(err error) bool {
	switch err {
	case windows.ERROR_SHARING_VIOLATION, windows.ERROR_DELETE_PENDING, windows.ERROR_ACCESS_DENIED, windows.ERROR_DIR_NOT_EMPTY:
		return true
	}
	return false
}

// Open opens the existing file at path. It fails with [ErrBusy] where somebody
// has it open for more than an instant, and lets nobody else do so.
func Open(path string, access Access) (f File, err error) {
	// A directory would be refused with ERROR_ACCESS_DENIED, which says
	// nothing, and so would a read-only file, but not for an instant only; and a
	// link would be followed.
	if fi, err := os.Lstat(path); err == nil {
		switch mode := fi.Mode(); {
		case mode.IsDir():
			return f, os.NewSyscallError(string(fault.Open), syscall.EISDIR)
		case mode&fs.ModeSymlink != 0:
			return f, os.NewSyscallError(string(fault.Open), syscall.ELOOP)
		case access == ReadWrite && mode&0o200 == 0:
			return f, os.NewSyscallError(string(fault.Open), windows.ERROR_ACCESS_DENIED)
		}
	}
	rights, share := uint32(windows.GENERIC_READ), uint32(windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE)
	switch access {
	case ReadWrite:
		rights |= windows.GENERIC_WRITE
	case Peek:
		share |= windows.FILE_SHARE_DELETE
	case Touch:
		rights |= windows.FILE_WRITE_ATTRIBUTES
	}
	err = call(fault.Open, path, func() (err error) {
		f.handle, err = createFile(path, rights, share, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL)
		return err
	})
	return f, busy(err)
}

// busy adds [ErrBusy] to an error that says that somebody has the file open.
func busy(err error) error {
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return err
}

// Create makes the file at path and opens it for reading and writing. It fails
// with [fs.ErrExist] where anything is there. Of perm only the owner's right
// to write counts.
func Create(path string, perm fs.FileMode) (f File, err error) {
	attributes := uint32(windows.FILE_ATTRIBUTE_NORMAL)
	if perm&0o200 == 0 {
		attributes = windows.FILE_ATTRIBUTE_READONLY
	}
	err = call(fault.Create, path, func() (err error) {
		f.handle, err = createFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE,
			windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, windows.CREATE_NEW, attributes)
		return err
	})
	return f, err
}

func createFile(path string, rights, share, disposition, attributes uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return windows.InvalidHandle, err
	}
	return windows.CreateFile(name, rights, share, nil, disposition, attributes, 0)
}

func fileOf(handle uintptr) File { return File{windows.Handle(handle)} }
func (f File) number() uintptr   { return uintptr(f.handle) }

func (f File) duplicate() (dup File, err error) {
	self := windows.CurrentProcess()
	err = windows.DuplicateHandle(self, f.handle, self, &dup.handle, 0, false, windows.DUPLICATE_SAME_ACCESS)
	return dup, err
}

// Flush does nothing: markers are closed here before they are given a name.
func (f File) Flush() error { return nil }

// Close closes f. Whatever it returns, the handle is gone afterwards.
func (f File) Close() error {
	err := fault.After(fault.Close, "", windows.CloseHandle(f.handle))
	return os.NewSyscallError(string(fault.Close), err)
}

// Info describes f.
func (f File) Info() (info Info, err error) {
	err = call(fault.Fstat, "", func() (err error) {
		info, err = infoOf(f.handle)
		return err
	})
	return info, err
}

// Stat describes the file at path, at the end of all symbolic links.
func Stat(path string) (info Info, err error) {
	err = call(fault.Stat, path, func() (err error) {
		info, err = statFile(path, 0)
		return err
	})
	return info, err
}

// Lstat describes what is at path itself.
func Lstat(path string) (info Info, err error) {
	err = call(fault.Lstat, path, func() error {
		fi, err := os.Lstat(path)
		if err != nil {
			return underlying(err)
		}
		if info, err = statFile(path, windows.FILE_FLAG_OPEN_REPARSE_POINT); err != nil {
			return err
		}
		info.Mode = fi.Mode() // knows links and devices by their names and tags
		return nil
	})
	return info, err
}

// underlying strips the path that package os puts around an error.
func underlying(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func statFile(path string, flags uint32) (Info, error) {
	h, err := createFile(path, windows.FILE_READ_ATTRIBUTES,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|flags)
	if err != nil {
		return Info{}, err
	}
	defer windows.CloseHandle(h)
	return infoOf(h)
}

func infoOf(h windows.Handle) (Info, error) {
	var d windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &d); err != nil {
		return Info{}, err
	}
	mode := fs.FileMode(0o666)
	if d.FileAttributes&windows.FILE_ATTRIBUTE_READONLY != 0 {
		mode = 0o444
	}
	if d.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 {
		mode |= fs.ModeDir | 0o111
	}
	return Info{
		ID:      ID{uint64(d.VolumeSerialNumber), uint64(d.FileIndexHigh)<<32 | uint64(d.FileIndexLow)},
		Mode:    mode,
		Owner:   -1,
		Size:    int64(d.FileSizeHigh)<<32 | int64(d.FileSizeLow),
		ModTime: timeOf(d.LastWriteTime),
		Links:   int(d.NumberOfLinks),
	}, nil
}

// timeOf counts as [Info] does: a Filetime is in ticks of 100 ns since 1601.
func timeOf(t windows.Filetime) int64 {
	const second, until1970 = 1e7, 11644473600 // in ticks, and in seconds
	ticks := int64(t.HighDateTime)<<32 | int64(t.LowDateTime)
	return nanoseconds(ticks/second-until1970, ticks%second*100)
}

// ReadAt fills b from offset off, as [io.ReaderAt] does: fewer bytes come with
// an error, which at the end of the file is [io.EOF].
func (f File) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m uint32
		err := call(fault.Read, "", func() error {
			err := windows.ReadFile(f.handle, b[n:], &m, at(off+int64(n)))
			if err == windows.ERROR_HANDLE_EOF {
				return nil
			}
			return err
		})
		if err != nil {
			return n, err
		}
		if m == 0 {
			return n, io.EOF
		}
		n += int(m)
	}
	return n, nil
}

// WriteAt writes b at offset off, all of it or with an error.
func (f File) WriteAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m uint32
		err := call(fault.Write, "", func() error {
			return windows.WriteFile(f.handle, b[n:], &m, at(off+int64(n)))
		})
		if err != nil {
			return n, err
		}
		n += int(m)
	}
	return n, nil
}

func at(off int64) *windows.Overlapped {
	return &windows.Overlapped{Offset: uint32(off), OffsetHigh: uint32(off >> 32)}
}

// SetTimes sets when f was accessed and modified.
func (f File) SetTimes(t time.Time) error {
	ft := windows.NsecToFiletime(t.UnixNano())
	return call(fault.Times, "", func() error { return windows.SetFileTime(f.handle, nil, &ft, &ft) })
}

// Truncate changes the size of f.
func (f File) Truncate(size int64) error {
	return call(fault.Truncate, "", func() error {
		return windows.Ftruncate(f.handle, size)
	})
}

// Chmod does nothing: [Create] has set all there is to set.
func (f File) Chmod(fs.FileMode) error { return nil }

// TryLock tries once to lock the file, shared or exclusive, by its first byte
// as py-filelock, gofrs/flock and zc.lockfile do. It fails with [ErrBusy] where
// others have it.
func (f File) TryLock(shared bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := call(fault.Lock, "", func() error {
		return windows.LockFileEx(f.handle, flags, 0, LockedBytes, 0, at(0))
	})
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return ErrBusy
	case errors.Is(err, windows.ERROR_NOT_SUPPORTED), errors.Is(err, windows.ERROR_INVALID_FUNCTION):
		return fmt.Errorf("%w: %w", ErrNoLocks, err)
	}
	return err
}

// Unlock gives back what [File.TryLock] took.
func (f File) Unlock() error {
	return call(fault.Unlock, "", func() error {
		return windows.UnlockFileEx(f.handle, 0, LockedBytes, 0, at(0))
	})
}

// TryRecordLock fails: see [HasRecordLocks].
func (f File) TryRecordLock(shared bool) error { return ErrNoLocks }

// RecordUnlock has nothing to do.
func (f File) RecordUnlock() error { return nil }

// IsGone reports whether err says that the file is not there, or no longer.
func IsGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsStale reports whether err says that a file is no longer there which has just
// been seen, or is open.
func IsStale(err error) bool { return IsGone(err) }

// MayRead reports whether a file that cannot be opened for writing for the
// reason err can perhaps be opened for reading.
func MayRead(err error) bool { return errors.Is(err, fs.ErrPermission) }

func getwd() (string, error) { return os.Getwd() }

// Link gives the file at oldpath a second name. It fails with [fs.ErrExist]
// where anything has that name.
func Link(oldpath, newpath string) error {
	return nameError(call(fault.Link, newpath, func() error {
		return onNames(oldpath, newpath, func(from, to *uint16) error {
			return windows.CreateHardLink(to, from, 0)
		})
	}))
}

// RenameExclusive renames oldpath to newpath. It fails with [fs.ErrExist]
// where anything has that name.
func RenameExclusive(oldpath, newpath string) error {
	return nameError(call(fault.Rename, newpath, func() error {
		return onNames(oldpath, newpath, func(from, to *uint16) error {
			return windows.MoveFileEx(from, to, 0)
		})
	}))
}

// nameError sorts what an attempt to give a name came to.
func nameError(err error) error {
	for _, none := range []error{
		windows.ERROR_INVALID_FUNCTION, windows.ERROR_NOT_SUPPORTED, windows.ERROR_NOT_SAME_DEVICE,
		windows.ERROR_INVALID_PARAMETER, windows.ERROR_INVALID_LEVEL, windows.ERROR_CALL_NOT_IMPLEMENTED,
	} {
		if errors.Is(err, none) {
			return fmt.Errorf("%w: %w", ErrNoNames, err)
		}
	}
	return err
}

func onNames(oldpath, newpath string, do func(from, to *uint16) error) error {
	from, err := windows.UTF16PtrFromString(oldpath)
	if err != nil {
		return err
	}
	to, err := windows.UTF16PtrFromString(newpath)
	if err != nil {
		return err
	}
	return do(from, to)
}

// Remove takes away the name path of a file that is not a directory. It fails
// with [ErrBusy] where somebody has it open for more than an instant.
func Remove(path string) error {
	return busy(call(fault.Unlink, path, func() error { return deleteFile(path) }))
}

// RemoveUnused is Remove, but does not wait for others who have the file open.
func RemoveUnused(path string) error {
	err := fault.Before(fault.Unlink, path)
	if err == nil {
		err = fault.After(fault.Unlink, path, deleteFile(path))
	}
	return os.NewSyscallError(string(fault.Unlink), err)
}

func deleteFile(path string) error {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	err = windows.DeleteFile(name)
	if err != windows.ERROR_ACCESS_DENIED {
		return err
	}
	// A read-only file cannot be removed.
	attributes, errSee := windows.GetFileAttributes(name)
	if errSee != nil || attributes&windows.FILE_ATTRIBUTE_READONLY == 0 ||
		windows.SetFileAttributes(name, attributes&^windows.FILE_ATTRIBUTE_READONLY) != nil {
		return err
	}
	if err = windows.DeleteFile(name); err != nil {
		windows.SetFileAttributes(name, attributes)
	}
	return err
}

// RemoveHeld opens the file at path so that nobody else can open it meanwhile,
// and removes it if approve agrees. It fails with the error of approve, and with
// [ErrBusy] where others have the file open for more than an instant.
func RemoveHeld(path string, approve func(File) error) (removed bool, err error) {
	var f File
	err = call(fault.Open, path, func() (err error) {
		f.handle, err = createFile(path, windows.GENERIC_READ|windows.DELETE, 0, windows.OPEN_EXISTING, windows.FILE_FLAG_OPEN_REPARSE_POINT)
		return err
	})
	if err != nil {
		return false, busy(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := approve(f); err != nil {
		return false, err
	}
	err = call(fault.Unlink, path, func() error {
		remove := byte(1) // FILE_DISPOSITION_INFO.DeleteFile
		return windows.SetFileInformationByHandle(f.handle, windows.FileDispositionInfo, &remove, 1)
	})
	return err == nil, err
}
