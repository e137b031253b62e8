//go:build !unix

package mark

import "github.com/gofilelock/filelock/internal/sys"

// RemoveDirectory removes the directory at path if it is the one with the given
// number, after empty has taken out of it what may go. Nobody can be kept from a
// directory here.
func RemoveDirectory(path string, id sys.ID, empty func(at string, locked error) error) (removed bool, err error) {
	if err := leads(path, sys.Info{ID: id}); err != nil {
		return false, err
	}
	if err := empty(path, nil); err != nil {
		return false, err
	}
	return removeEmpty(path)
}
