package sys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofilelock/filelock/internal/fault"
)

// Mkdir makes the directory at path. It fails with [fs.ErrExist] where anything
// is there. The umask applies to perm.
func Mkdir(path string, perm fs.FileMode) error {
	return call(fault.Mkdir, path, func() error { return bare(os.Mkdir(path, perm)) })
}

// Rmdir removes the directory at path if it is empty. It fails with [ErrBusy] where
// somebody on Windows has it open for more than an instant.
func Rmdir(path string) error {
	return busy(call(fault.Rmdir, path, func() error { return rmdir(path) }))
}

// Symlink makes a symbolic link at path that leads to target. It fails with
// [fs.ErrExist] where anything is there, and with [ErrNoNames] where there are
// no symbolic links.
func Symlink(target, path string) error {
	err := call(fault.Symlink, path, func() error { return symlink(target, path) })
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) && immutable(filepath.Dir(path)) {
		return err // of the directory; before a link, a file has been made in it
	}
	return nameError(err)
}

// Readlink returns where the symbolic link at path leads. It fails with
// [ErrNoSymlink] where anything else is there.
func Readlink(path string) (target string, err error) {
	err = call(fault.Readlink, path, func() (err error) {
		target, err = os.Readlink(path)
		return bare(err)
	})
	if errors.Is(err, notSymlink) {
		err = ErrNoSymlink
	}
	return target, err
}

// ErrNoSymlink says that there is something else than a symbolic link.
var ErrNoSymlink = errors.New("not a symbolic link")

// Names returns the names in the directory at path, in no order, and limit of
// them at the most.
func Names(path string, limit int) (names []string, err error) {
	err = call(fault.List, path, func() error {
		dir, err := os.OpenFile(path, os.O_RDONLY|directory, 0)
		if err != nil {
			return bare(err)
		}
		defer dir.Close()
		if names, err = dir.Readdirnames(limit); err == io.EOF {
			err = nil
		}
		return bare(err)
	})
	return names, err
}

// EachName calls do with the names in the directory at path, in no order and so many
// of them at a time at the most, until do fails. A directory can be larger than what
// there is of memory, and the listing of one that a stranger serves need not end.
func EachName(path string, portion int, do func(names []string) error) error {
	var dir *os.File
	err := call(fault.List, path, func() (err error) {
		dir, err = os.OpenFile(path, os.O_RDONLY|directory, 0)
		return bare(err)
	})
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(portion)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return os.NewSyscallError(string(fault.List), bare(err))
		}
		if len(names) < portion {
			dir.Close() // it is at its end; do may need descriptors
		}
		if err := do(names); err != nil || len(names) < portion {
			return err
		}
	}
}

// bare strips the paths that package os puts around an error.
func bare(err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return pathErr.Err
	}
	if callErr := (*os.SyscallError)(nil); errors.As(err, &callErr) {
		return callErr.Err
	}
	return err
}
