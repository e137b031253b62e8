//go:build !unix && !windows

package sys

import (
	"io/fs"
	"os"

	"github.com/gofilelock/filelock/internal/fault"
)

// nonBlock does not exist here.
const nonBlock = 0

func isLeased(error) bool { return false }

func isShut(error) bool { return false }

// Rename renames oldpath to newpath, whatever has that name.
func Rename(oldpath, newpath string) error {
	return call(fault.Rename, newpath, func() error { return os.Rename(oldpath, newpath) })
}

// Sync has the content of f stored so that a power failure does not undo it.
func (f File) Sync() error { return call(fault.Sync, "", f.File.Sync) }

// SyncDir does nothing.
func SyncDir(string) error { return nil }

// TakeOwner does nothing.
func (f File) TakeOwner(fs.FileInfo) (sameGroup bool, err error) { return true, nil }
