package filelock_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() { roles[locktest.OpenRole] = locktest.HaveOpen }

// wantRefusal makes sure that err names the path and the system's reason, and is
// nothing that a caller would take for a lock that somebody has.
func wantRefusal(t *testing.T, err error, path string, reasons ...error) {
	t.Helper()
	var e *filelock.LockError
	if !errors.As(err, &e) || e.Path != path || !strings.Contains(err.Error(), path) {
		t.Errorf("%v does not name %s", err, path)
	}
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return
		}
	}
	t.Errorf("%v is none of %v", err, reasons)
}

// TestLaw20FileThatOthersDoNotShare: a lock file that somebody has open, and lets
// nobody write to, is tried for a moment and no longer.
func TestLaw20FileThatOthersDoNotShare(t *testing.T) {
	for _, share := range []uint32{locktest.ShareNothing, locktest.ShareReading} {
		path := lockPath(t)
		write(t, path, "")
		p := locktest.OpenElsewhere(t, path, share)
		tries := 0
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Open {
				tries++
			}
			return nil
		}})
		_, err := filelock.New(path).Acquire(bg)
		remove()
		wantRefusal(t, err, path, windows.ERROR_SHARING_VIOLATION)
		if errors.Is(err, filelock.ErrLocked) || tries < 2 || tries > 20 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		p.Kill()
		must(t, filelock.New(path).Do(bg, func(context.Context) error { return nil }))
	}
}

// TestLaw20FileThatOthersCloseInTime is had by whoever has begun to try.
func TestLaw20FileThatOthersCloseInTime(t *testing.T) {
	path := lockPath(t)
	write(t, path, "")
	p := locktest.OpenElsewhere(t, path, locktest.ShareNothing)
	met := false
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Open && errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !met {
			met = true
			p.Kill()
		}
		return err
	}})
	err := filelock.New(path).Do(bg, func(context.Context) error { return nil })
	remove()
	must(t, err)
	if !met {
		t.Error("nobody was in the way")
	}
}

// TestScannerDoesNotKeepAFileLockFromAnybody: it lets others read and write.
func TestScannerDoesNotKeepAFileLockFromAnybody(t *testing.T) {
	for _, share := range []uint32{locktest.ShareUsual, locktest.ShareAll} {
		path := lockPath(t)
		write(t, path, "")
		locktest.OpenElsewhere(t, path, share)
		must(t, filelock.New(path).Do(bg, func(context.Context) error { return nil }))
	}
}

// TestLaw18ReleaseOfAMarkerThatIsOpen fails while a scanner has it open, says so,
// and can be repeated.
func TestLaw18ReleaseOfAMarkerThatIsOpen(t *testing.T) {
	for _, share := range []uint32{locktest.ShareReading, locktest.ShareUsual, locktest.ShareAll} {
		path := lockPath(t)
		l := filelock.NewSoft(path)
		h, err := l.Acquire(bg)
		must(t, err)
		p := locktest.OpenElsewhere(t, path, share)
		err = h.Release()
		wantRefusal(t, err, path, err)
		if err == nil || !l.Held() {
			t.Errorf("share %d: %v, held %v", share, err, l.Held())
		}
		if _, err := filelock.NewSoft(path).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("share %d: somebody else: %v", share, err)
		}
		p.Kill()
		must(t, h.Release())
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
}

// TestLaw06MarkerThatNobodyMayOpenIsHeld, and a dead one's that a scanner has
// open is broken when that has closed it.
func TestLaw06MarkerThatNobodyMayOpenIsHeld(t *testing.T) {
	for _, share := range []uint32{locktest.ShareNothing, locktest.ShareUsual} {
		path := lockPath(t)
		leaveStale(t, path)
		p := locktest.OpenElsewhere(t, path, share)
		_, err := filelock.NewSoft(path).TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("share %d: the marker: %v", share, err)
		}
		p.Kill()
		must(t, filelock.NewSoft(path).Do(bg, func(context.Context) error { return nil }))
	}
}

// TestNameOfADeletedFile stays as long as somebody has the file open.
func TestNameOfADeletedFile(t *testing.T) {
	path := lockPath(t)
	write(t, path, "")
	p := locktest.OpenElsewhere(t, path, locktest.ShareAll)
	must(t, os.Remove(path))
	for _, l := range []filelock.Locker{filelock.New(path), filelock.NewSoft(path)} {
		h, err := l.TryAcquire(bg)
		if err == nil { // newer systems take the name away at once
			must(t, h.Release())
			continue
		}
		wantRefusal(t, err, path, filelock.ErrLocked, fs.ErrPermission, windows.ERROR_DELETE_PENDING, fs.ErrExist)
	}
	p.Kill()
	for _, l := range []filelock.Locker{filelock.New(path), filelock.NewSoft(path + "2")} {
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
}

// readOnly gives a file the attribute, which is all of a mode that there is.
func readOnly(t *testing.T, path string) {
	t.Helper()
	must(t, os.Chmod(path, 0o444))
	t.Cleanup(func() { os.Chmod(path, 0o666) }) // or it could not be removed
}

// TestLaw25ReadOnlyFileCanBeLocked, at once: there is nobody to wait for.
func TestLaw25ReadOnlyFileCanBeLocked(t *testing.T) {
	path := lockPath(t)
	write(t, path, "")
	readOnly(t, path)
	tries := 0
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Open {
			tries++
		}
		return nil
	}})
	h, err := filelock.New(path).TryAcquire(bg)
	remove()
	must(t, err)
	if tries > 1 {
		t.Errorf("it was opened %d times", tries)
	}
	if _, err := h.File().Write([]byte("x")); err == nil { // wine would let root
		t.Error("it was opened for writing")
	}
	p := testproc.Start(t, "hold flock", path)
	p.Say("try")
	if got := p.Line(); got == "done" {
		t.Error("two have the lock of a read-only file")
	}
	must(t, h.Release())
	p.Say("acquire")
	p.Expect("done")
	p.Kill()
}

// TestReadOnlyFileIsRemoved where that is asked for.
func TestReadOnlyFileIsRemoved(t *testing.T) {
	path := lockPath(t)
	must(t, filelock.New(path, filelock.WithMode(0o444), filelock.WithRemove()).Do(bg, func(context.Context) error { return nil }))
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

// deep returns a path that is longer than programs of old may use.
func deep(t *testing.T) string {
	dir := t.TempDir()
	for len(dir) < 400 {
		dir = filepath.Join(dir, strings.Repeat("d", 60))
		must(t, os.Mkdir(dir, 0o777))
	}
	return filepath.Join(dir, "x.lock")
}

// TestLongPaths, and those that begin as if to avoid them.
func TestLongPaths(t *testing.T) {
	for _, k := range []locktest.Kind{flockKind, softKind} {
		path := deep(t)
		p := testproc.Start(t, "hold "+k.Name, path)
		for _, spelling := range []string{path, `\\?\` + path} {
			h, err := k.New(spelling).TryAcquire(bg)
			must(t, err)
			p.Say("try")
			if got := p.Line(); got == "done" {
				t.Errorf("%s: two have the lock, one as %s", k.Name, spelling)
			}
			must(t, h.Release())
			p.Say("acquire")
			p.Expect("done")
			p.Say("release")
			p.Expect("done")
		}
	}
}

// TestLaw24Devices: no name of one is a lock, and none is opened.
func TestLaw24Devices(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"NUL", "nul", "CON", "COM1", "LPT1", "AUX", "PRN", `\\.\NUL`, `\\.\pipe\filelock`, "NUL.lock", filepath.Join(dir, "nul")} {
		for _, l := range []filelock.Locker{filelock.New(name), filelock.NewSoft(name)} {
			h, err := l.TryAcquire(bg)
			if err != nil {
				wantRefusal(t, err, name, err)
				continue
			}
			if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%T: %s is locked, and it is %v, %v", l, name, info, err)
			}
			must(t, h.Release())
		}
	}
}

// TestLaw02NamesThatWindowsTakesForOne: in other letters, with dots and blanks
// at the end, with slashes, and of another owner or the same.
func TestLaw02NamesThatWindowsTakesForOne(t *testing.T) {
	for _, k := range []locktest.Kind{flockKind, softKind} {
		path := filepath.Join(t.TempDir(), "name.lock")
		dir, base := filepath.Split(path)
		for _, other := range []string{
			dir + "NAME.Lock", dir + base + ".", dir + base + " ", strings.ReplaceAll(path, `\`, "/"),
			strings.ToUpper(path), `\\?\` + path, dir + `.\` + base,
		} {
			h, err := k.New(path).TryAcquire(bg)
			must(t, err)
			if _, err := k.New(other).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("%s: %s is another lock: %v", k.Name, other, err)
			}
			must(t, h.Release())
		}
		p := k.Elsewhere(t, strings.ToUpper(path))
		if _, err := k.New(path).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: it is another lock elsewhere: %v", k.Name, err)
		}
		p.Kill()
	}
}

// TestOwnerThatWaitsForItselfInOtherLetters is told so.
func TestOwnerThatWaitsForItselfInOtherLetters(t *testing.T) {
	path := lockPath(t)
	limited, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	err := filelock.New(path).Do(limited, func(ctx context.Context) error {
		return filelock.New(strings.ToUpper(path)).Do(ctx, func(context.Context) error { return nil })
	})
	want(t, err, filelock.ErrDeadlock)
}

// TestKilledWaiterIsForgotten: the next one gets the lock.
func TestKilledWaiterIsForgotten(t *testing.T) {
	for _, k := range []locktest.Kind{flockKind, softKind} {
		path := lockPath(t)
		holder := k.Elsewhere(t, path)
		waiter := testproc.Start(t, "hold "+k.Name, path)
		waiter.Say("try")
		if got := waiter.Line(); got == "done" {
			t.Fatalf("%s: two have the lock", k.Name)
		}
		waiter.Say("acquire")
		waiter.Kill()
		holder.Say("release")
		holder.Expect("done")
		must(t, k.New(path).Do(bg, func(context.Context) error { return nil }))
	}
}
