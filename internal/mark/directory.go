package mark

import (
	"errors"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

// removeEmpty removes the directory at path. It tries twice, and on Windows for as
// long as others may be looking into it, since there is nothing in it any more by
// which one could tell whose it was.
func removeEmpty(path string) (removed bool, err error) {
	err = sys.Rmdir(path)
	if sys.IsGone(err) {
		return false, ErrChanged // to others, who do not lock it
	}
	for end := time.Now().Add(patience); err != nil; {
		if err = sys.Rmdir(path); sys.IsGone(err) {
			return true, nil // it had gone
		}
		if !errors.Is(err, sys.ErrBusy) || time.Now().After(end) {
			break
		}
	}
	return err == nil, err
}
