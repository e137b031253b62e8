//go:build !windows

package unlink

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
)

// remove takes away the name path of a file once approve agrees, which is
// told whether others are kept from it meanwhile.
func remove(path string, approve func(f sys.File, locked error) error) (removed bool, err error) {
	f, err := sys.Open(path, sys.Peek)
	if errors.Is(err, fs.ErrNotExist) {
		return false, ErrChanged
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	locked := f.TryLock(false)
	if errors.Is(locked, sys.ErrBusy) {
		return false, ErrBusy
	}
	if locked == nil {
		defer func() { err = errors.Join(err, f.Unlock()) }()
	}
	// The path comes first, the content after it. A holder may write a new
	// record into its file while no path leads there, and link it here again:
	// if the path leads to f now, the record read next is the one in force.
	if err := stands(f, path); err != nil {
		return false, err
	}
	if err := approve(f, locked); err != nil {
		return false, err
	}
	err = sys.Remove(path)
	return err == nil, err
}

// stands fails with [ErrChanged] where path does not lead to f.
func stands(f sys.File, path string) error {
	at, err := sys.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	info, err := f.Info()
	if err == nil && at.ID != info.ID {
		err = ErrChanged
	}
	return err
}
