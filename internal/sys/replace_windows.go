package sys

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/windows"
)

// nonBlock is of no use: opening a file never waits.
const nonBlock = 0

func isLeased(error) bool { return false }

// isShut reports whether a file could not be opened because somebody has it open for
// nobody else to open.
func isShut(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// Rename renames oldpath to newpath, whatever has that name, and returns when
// that is stored.
func Rename(oldpath, newpath string) error {
	return call(fault.Rename, newpath, func() error {
		return onNames(oldpath, newpath, func(from, to *uint16) error {
			return windows.MoveFileEx(from, to, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
		})
	})
}

// Sync has the content of f stored so that a power failure does not undo it.
func (f File) Sync() error {
	return call(fault.Sync, "", func() error { return windows.FlushFileBuffers(f.handle) })
}

// SyncDir has nothing to do: see [Rename].
func SyncDir(string) error { return nil }

// TakeOwner does nothing: f has the rights that its directory gives.
func (f File) TakeOwner(fs.FileInfo) (sameGroup bool, err error) { return true, nil }
