//go:build unix && !aix

package mark

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
)

// TestTouchExcludesThoseWhoBreak has somebody else be at it, and then on a file
// system where nobody can be kept from it.
func TestTouchExcludesThoseWhoBreak(t *testing.T) {
	path, o := own(t)
	e, err := Inspect(path, 100)
	must(t, err)
	f, err := sys.Open(path, sys.ReadOnly)
	must(t, err)
	must(t, f.TryLock(false))
	if _, err := o.Touch(path, time.Now()); !errors.Is(err, sys.ErrBusy) {
		t.Errorf("Touch while it is being broken: %v", err)
	}
	must(t, f.Close())

	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lock {
			return unix.ENOLCK
		}
		return nil
	}})()
	if _, err := o.Touch(path, time.Unix(2e9, 0)); err != nil {
		t.Errorf("Touch without locks: %v", err)
	}
	if removed, err := BreakUnguarded(path, e); removed || !errors.Is(err, ErrChanged) {
		t.Errorf("what was touched was broken: %v, %v", removed, err)
	}
	e, err = Inspect(path, 100)
	must(t, err)
	if removed, err := BreakUnguarded(path, e); !removed || err != nil {
		t.Errorf("BreakUnguarded: %v, %v", removed, err)
	}
	if removed, err := BreakUnguarded(path, e); removed || !errors.Is(err, ErrChanged) {
		t.Errorf("BreakUnguarded of nothing: %v, %v", removed, err)
	}
}

func TestLookTellsWhatIsThere(t *testing.T) {
	path, e := leave(t)
	if seen, err := Look(path, 100); err != nil || !seen.same(e) {
		t.Errorf("%+v, %v", seen, err)
	}
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Open {
			return unix.EACCES
		}
		return nil
	}})
	if seen, err := Look(path, 100); !errors.Is(err, ErrUnreadable) || seen.Info.ID != e.Info.ID {
		t.Errorf("unreadable: %+v, %v", seen, err)
	}
	remove()
	remove = fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Open {
			must(t, os.Remove(path))
		}
		return nil
	}})
	if _, err := Look(path, 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed meanwhile: %v", err)
	}
	remove()
	must(t, os.Symlink("/etc/passwd", path))
	if _, err := Look(path, 100); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a link: %v", err)
	}
}

// TestNamedKnowsBetterThanTheReply has a link that was made and reported as
// failed, and one that was undone at once.
func TestNamedKnowsBetterThanTheReply(t *testing.T) {
	path, o := own(t)
	other := path + "2"
	must(t, sys.Link(path, other))
	must(t, o.Settle(other, unix.EIO))
	must(t, o.Settle(other, fs.ErrExist))
	must(t, os.Remove(other))
	if err := o.Settle(other, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("undone: %v", err)
	}
	if err := o.Settle(other, unix.EIO); !errors.Is(err, unix.EIO) {
		t.Errorf("failed: %v", err)
	}
}
