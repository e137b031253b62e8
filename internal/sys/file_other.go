//go:build !unix && !windows

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
)

// A File is an open file.
type File struct{ *os.File }

// LockedBytes counts the bytes at the start of a locked file that others
// cannot read.
const LockedBytes = 0

// HasRecordLocks reports whether this system has record locks.
const HasRecordLocks = false

func call(op fault.Op, path string, do func() error) error {
	err := fault.Before(op, path)
	if err == nil {
		err = fault.After(op, path, do())
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return os.NewSyscallError(string(op), err)
}

// Open opens the existing file at path.
func Open(path string, access Access) (f File, err error) {
	flag := os.O_RDONLY
	if access == ReadWrite || access == Touch {
		flag = os.O_RDWR
	}
	return f, call(fault.Open, path, func() (err error) {
		if info, err := Lstat(path); err == nil && !info.Mode.IsRegular() {
			return fs.ErrInvalid
		}
		f.File, err = os.OpenFile(path, flag, 0)
		return err
	})
}

// Create makes the file at path and opens it for reading and writing.
func Create(path string, perm fs.FileMode) (f File, err error) {
	err = call(fault.Create, path, func() (err error) {
		f.File, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm.Perm())
		return err
	})
	return f, err
}

// Duplicate fails: there is no second descriptor of an open file here.
func Duplicate(*os.File) (File, error) { return File{}, errors.ErrUnsupported }

// InfoOf describes the open file f.
func InfoOf(f *os.File) (Info, error) { return infoOf(f.Stat()) }

// OSFile fails: there is no second descriptor of an open file here.
func (f File) OSFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Flush does nothing.
func (f File) Flush() error { return nil }

// SetTimes sets when f was accessed and modified.
func (f File) SetTimes(t time.Time) error {
	return call(fault.Times, "", func() error { return os.Chtimes(f.Name(), t, t) })
}

// Info describes f.
func (f File) Info() (Info, error) { return infoOf(f.Stat()) }

// Stat describes the file at path, at the end of all symbolic links.
func Stat(path string) (Info, error) { return infoOf(os.Stat(path)) }

// Lstat describes what is at path itself.
func Lstat(path string) (Info, error) { return infoOf(os.Lstat(path)) }

func infoOf(fi fs.FileInfo, err error) (Info, error) {
	if err != nil {
		return Info{}, err
	}
	modified := fi.ModTime()
	return Info{
		ID: idOf(fi), Mode: fi.Mode(), Size: fi.Size(), Owner: -1,
		ModTime: nanoseconds(modified.Unix(), int64(modified.Nanosecond())),
	}, nil
}

// TryLock fails: this system has no file locks.
func (f File) TryLock(bool) error { return ErrNoLocks }

// Unlock has nothing to do.
func (f File) Unlock() error { return nil }

// TryRecordLock fails: this system has no file locks.
func (f File) TryRecordLock(bool) error { return ErrNoLocks }

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

// Link gives the file at oldpath a second name.
func Link(oldpath, newpath string) error {
	err := call(fault.Link, newpath, func() error { return os.Link(oldpath, newpath) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", ErrNoNames, err)
	}
	return err
}

// Remove takes away the name path.
func Remove(path string) error {
	return call(fault.Unlink, path, func() error { return os.Remove(path) })
}
