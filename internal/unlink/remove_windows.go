package unlink

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
	"golang.org/x/sys/windows"
)

// remove deletes the file at path once approve agrees. Nobody else can open,
// rename or delete it meanwhile.
func remove(path string, approve func(f sys.File, locked error) error) (removed bool, err error) {
	removed, err = sys.RemoveHeld(path, func(f sys.File) error { return approve(f, nil) })
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = ErrChanged
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		err = ErrBusy
	}
	return removed, err
}
