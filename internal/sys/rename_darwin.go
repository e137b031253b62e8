package sys

import (
	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// RenameExclusive renames oldpath to newpath. It fails with [fs.ErrExist]
// where anything has that name.
func RenameExclusive(oldpath, newpath string) error {
	return nameError(call(fault.Rename, newpath, func() error {
		return unix.RenamexNp(oldpath, newpath, unix.RENAME_EXCL)
	}))
}
