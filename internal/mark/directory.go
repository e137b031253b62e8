package mark

import "github.com/gofilelock/filelock/internal/sys"

// removeEmpty removes the directory at path. It tries twice, since there is
// nothing in it any more by which one could tell whose it was.
func removeEmpty(path string) (removed bool, err error) {
	err = sys.Rmdir(path)
	if sys.IsGone(err) {
		return false, ErrChanged // to others, who do not lock it
	}
	if err != nil {
		if err = sys.Rmdir(path); sys.IsGone(err) {
			err = nil // it had gone
		}
	}
	return err == nil, err
}
