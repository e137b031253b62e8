package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
)

// attempts bounds how often in a row a file is looked for again that others
// make and remove meanwhile.
const attempts = 100

// OpenRegular opens the regular file at path, at the end of all symbolic links,
// for its content to be worked with. flag and perm are those of [os.OpenFile],
// whose errors it fails with; with [Irregular] where there is anything but a file;
// and with [ErrBusy] where somebody has a lease of the file, which the system is
// asking back now. It waits only on Windows, for whoever has the file open for nobody
// else to open, as while it gets a name.
//
// With O_CREATE an existing file is opened without it, since in a sticky
// directory O_CREATE on another user's file is refused. No file is made at the
// end of a symbolic link.
func OpenRegular(path string, flag int, perm fs.FileMode) (f *os.File, err error) {
	if flag&(os.O_CREATE|os.O_EXCL) != os.O_CREATE {
		return openRegular(path, flag, perm)
	}
	for range attempts {
		if f, err = openRegular(path, flag&^os.O_CREATE, perm); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w at the end of a symbolic link", fs.ErrNotExist)}
		}
		if f, err = openRegular(path, flag|os.O_EXCL, perm); !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return f, err
}

func openRegular(path string, flag int, perm fs.FileMode) (*os.File, error) {
	irregular := func(info fs.FileInfo, err error) error {
		if err != nil || info.Mode().IsRegular() {
			return nil
		}
		return &fs.PathError{Op: "open", Path: path, Err: Irregular(info.Mode())}
	}
	if err := irregular(os.Stat(path)); err != nil {
		return nil, err // unopened: opening a device can do things
	}
	op := fault.Open
	if flag&os.O_EXCL != 0 {
		op = fault.Create
	}
	err := fault.Before(op, path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f, err := os.OpenFile(path, flag|nonBlock, perm)
	for pause := time.Millisecond; isShut(err) && pause <= 64*time.Millisecond; pause *= 2 {
		time.Sleep(pause)
		f, err = os.OpenFile(path, flag|nonBlock, perm)
	}
	if isLeased(err) {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if err != nil {
		return nil, err
	}
	if err := irregular(f.Stat()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
