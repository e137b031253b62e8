package filesystems

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
)

// freeze has whoever writes to the file system at dir wait, ioctl_fsfreeze(2), as
// programs do that copy a disk, until the function that it returns is called.
func freeze(t *testing.T, dir string) (thaw func()) {
	const fiFreeze, fiThaw = 0xc0045877, 0xc0045878
	f, err := os.Open(dir)
	must(t, err)
	must(t, unix.IoctlSetInt(int(f.Fd()), fiFreeze, 0))
	thaw = sync.OnceFunc(func() {
		must(t, unix.IoctlSetInt(int(f.Fd()), fiThaw, 0))
		must(t, f.Close())
	})
	t.Cleanup(thaw)
	return thaw
}

// freezeKept freezes the disk in a moment when the claim of a soft lock is kept there.
func freezeKept(t *testing.T, dir string) (thaw func()) {
	soft := filelock.NewSoft(filepath.Join(dir, "x.lock"))
	for range 100 {
		for range 3 { // from the second time on it is kept
			must(t, soft.Do(t.Context(), func(context.Context) error { return nil }))
		}
		thaw := freeze(t, dir)
		if list(t, dir) != "lost+found" {
			return thaw
		}
		thaw()
	}
	t.Fatal("nothing is kept for as long as it takes to freeze a disk")
	return nil
}

// TestOtherLocksGoOnWhileWhatIsKeptCannotBeRemoved has a disk be frozen when the
// claim of a soft lock there is about to go: who uses other locks does not notice.
func TestOtherLocksGoOnWhileWhatIsKeptCannotBeRemoved(t *testing.T) {
	dir, elsewhere := disk(t, 64, "ext4"), newDir(t)
	thaw := freezeKept(t, dir)
	ended := make(chan error, 1)
	go func() {
		var err error
		for end := time.Now().Add(500 * time.Millisecond); err == nil && time.Now().Before(end); {
			err = filelock.New(filepath.Join(elsewhere, "x.lock")).Do(context.Background(), func(context.Context) error { return nil })
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(30 * time.Second):
		t.Error("another lock hangs as well")
		thaw()
		must(t, <-ended)
	}
	if list(t, dir) == "lost+found" {
		t.Error("the disk was not frozen")
	}
	thaw()
	must(t, filelock.ReleaseAll())
	if left := list(t, dir); left != "lost+found" {
		t.Errorf("there are %s", left)
	}
}
