package marker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

func init() { roles[locktest.OpenRole] = locktest.HaveOpen }

// within returns the file that stands for the lock at path.
func within(t *testing.T, k locktest.Kind, path string) string {
	file := k.LockFile(path)
	if info, err := os.Lstat(file); err == nil && info.IsDir() {
		inside, err := os.ReadDir(file)
		if err != nil || len(inside) != 1 {
			t.Fatalf("%s holds %v, %v", file, inside, err)
		}
		return filepath.Join(file, inside[0].Name())
	}
	return file
}

// TestLaw18ReleaseOfAMarkerThatIsOpen fails while a scanner has it open, says so,
// and can be repeated.
func TestLaw18ReleaseOfAMarkerThatIsOpen(t *testing.T) {
	for _, k := range kinds() {
		for _, share := range []uint32{locktest.ShareNothing, locktest.ShareUsual, locktest.ShareAll} {
			path := lockPath(t)
			h, err := k.New(path).Acquire(bg)
			must(t, err)
			p := locktest.OpenElsewhere(t, within(t, k, path), share)
			if err := h.Release(); err == nil || errors.Is(err, filelock.ErrLost) {
				t.Errorf("%s, share %d: %v", k.Name, share, err)
			}
			if _, err := k.New(path).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("%s, share %d: somebody else: %v", k.Name, share, err)
			}
			p.Kill()
			if err := h.Release(); err != nil {
				t.Errorf("%s, share %d: once more: %v", k.Name, share, err)
			}
			must(t, k.New(path).Do(bg, func(context.Context) error { return nil }))
		}
	}
}

// TestLaw06MarkerThatIsOpenIsHeld, of a dead one too, and is broken when the
// scanner has closed it.
func TestLaw06MarkerThatIsOpenIsHeld(t *testing.T) {
	for _, k := range provable() {
		for _, share := range []uint32{locktest.ShareNothing, locktest.ShareUsual} {
			path := lockPath(t)
			k.Elsewhere(t, path).Kill()
			p := locktest.OpenElsewhere(t, within(t, k, path), share)
			if _, err := clearing(k).New(path).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("%s, share %d: %v", k.Name, share, err)
			}
			p.Kill()
			must(t, clearing(k).New(path).Do(bg, func(context.Context) error { return nil }))
		}
	}
}
