package lease_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lease"
)

func init() { roles[locktest.OpenRole] = locktest.HaveOpen }

// TestLeaseThatIsOpen: somebody who has the lock file open cannot have it lost
// before its time, keeps it from being renewed at the worst, and from being
// released as long as that lasts.
func TestLeaseThatIsOpen(t *testing.T) {
	for _, share := range []uint32{locktest.ShareNothing, locktest.ShareReading, locktest.ShareUsual, locktest.ShareAll} {
		path := lockPath(t)
		l := lease.New(path, lease.Config{})
		h := acquire(t, l)
		p := locktest.OpenElsewhere(t, path, share)
		err := l.Refresh(h.Context(), 0)
		if share != locktest.ShareNothing {
			must(t, err)
		} else if err == nil || errors.Is(err, filelock.ErrLost) {
			t.Errorf("renewed, while nobody can open it: %v", err)
		}
		if err := h.Release(); err == nil || errors.Is(err, filelock.ErrLost) {
			t.Errorf("share %d: released, while it is open: %v", share, err)
		}
		if _, err := lease.New(path, lease.Config{}).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("share %d: somebody else: %v", share, err)
		}
		p.Kill()
		must(t, h.Release())
		nothingIsLeft(t, path)
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
}
