//go:build (unix && !aix) || windows

package mark

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

func TestTouchDatesOwnAndNothingElse(t *testing.T) {
	path, o := own(t)
	at := time.Unix(2e9, 0)
	info, err := o.Touch(path, at)
	if err != nil || info.ModTime != at.UnixNano() || info.Changed == 0 {
		t.Errorf("%+v, %v", info, err)
	}
	must(t, o.At(path))

	// It has been replaced, by a file that is left alone.
	must(t, os.Rename(path, path+"2"))
	must(t, os.WriteFile(path, []byte("another"), 0o666))
	before, err := sys.Lstat(path)
	must(t, err)
	if _, err := o.Touch(path, at); !errors.Is(err, ErrChanged) {
		t.Errorf("Touch of what is not there: %v", err)
	}
	if after, err := sys.Lstat(path); err != nil || after.ModTime != before.ModTime || after.Changed != before.Changed {
		t.Errorf("%+v, %v; before %+v", after, err, before)
	}
	must(t, os.Remove(path))
	if _, err := o.Touch(path, at); !errors.Is(err, ErrChanged) {
		t.Errorf("Touch of nothing: %v", err)
	}
}
