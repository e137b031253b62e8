//go:build unix

package mark

import (
	"errors"

	"github.com/gofilelock/filelock/internal/sys"
)

// RemoveDirectory removes the directory at path if it is the one with the given
// number, after empty has taken out of it what may go: it is told where that is,
// whatever takes the place of the directory meanwhile. It fails, and reports, as
// [Break] does; and if the directory is not empty by then.
func RemoveDirectory(path string, id sys.ID, empty func(at string, locked error) error) (removed bool, err error) {
	if err := leads(path, sys.Info{ID: id}); err != nil {
		return false, err
	}
	f, err := sys.Open(path, sys.Peek)
	if sys.IsGone(err) {
		return false, ErrChanged
	}
	if err != nil {
		return false, err
	}
	removed, err = removeUnknown(f, path, func(f sys.File, locked error) error {
		info, err := f.Info()
		if err == nil && info.ID != id {
			err = ErrChanged
		}
		if err != nil {
			return err
		}
		return empty(f.Anchored(path), locked)
	})
	return removed, errors.Join(err, f.Close())
}
