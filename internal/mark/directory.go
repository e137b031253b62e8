package mark

import (
	"errors"
	"fmt"
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
		if !errors.Is(err, sys.ErrBusy) {
			break
		}
		if time.Now().After(end) {
			// Not ErrBusy, which others take for a hold that will end, or try again
			// with what they knew of it when there was something in it.
			return false, fmt.Errorf("%v, for more than %s", err, patience)
		}
	}
	return err == nil, err
}
