package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
)

// faultCases are the ways in which locks are taken and given back.
var faultCases = []struct {
	name  string
	setup func(t *testing.T, path string)
	lock  func(t *testing.T, path string) locker
	opts  []filelock.AcquireOption

	recovers bool // there is another way, so that not every failure is one
}{
	{name: "free", lock: newFlock()},
	{name: "existing", setup: touch, lock: newFlock()},
	{name: "shared", setup: touch, lock: newFlock(), opts: []filelock.AcquireOption{filelock.Shared()}},
	{name: "relative path", lock: relative},
	{name: "directory", setup: mkdir, lock: newFlock()},
	{name: "record lock", lock: newFlock(filelock.WithRecordLocks())},
	{name: "mode", lock: newFlock(filelock.WithMode(0o640))},
	{name: "content", lock: newFlock(filelock.WithContent(" {pid}\n"))},
	{name: "content over more", setup: fill, lock: newFlock(filelock.WithContent(" {pid}\n"))},
	{name: "remove", lock: newFlock(filelock.WithRemove())},
	{name: "remove shared", setup: touch, lock: newFlock(filelock.WithRemove()), opts: []filelock.AcquireOption{filelock.Shared()}},
	{name: "open file", setup: touch, lock: openFile},
	{name: "soft", lock: newSoft()},
	{name: "soft with a mode", lock: newSoft(filelock.WithMode(0o640))},
	{name: "soft over a stale marker", setup: leaveStale, lock: newSoft()},
	{name: "flock again", lock: again(newFlock())},
	{name: "soft again", lock: again(newSoft()), recovers: true},
	{name: "soft again, over a stale claim", setup: leaveStaleClaim, lock: released(newSoft()), recovers: true},
}

type locker interface {
	filelock.Locker
	Held() bool
	Path() string
}

func newFlock(opts ...filelock.FileOption) func(*testing.T, string) locker {
	return func(_ *testing.T, path string) locker { return filelock.New(path, opts...) }
}

func newSoft(opts ...filelock.FileOption) func(*testing.T, string) locker {
	return func(_ *testing.T, path string) locker { return filelock.NewSoft(path, opts...) }
}

// released has the lock released before, so that what it is made of is kept the
// next time.
func released(make func(*testing.T, string) locker) func(*testing.T, string) locker {
	return func(t *testing.T, path string) locker {
		l := make(t, path)
		must(t, l.Do(bg, func(context.Context) error { return nil }))
		return l
	}
}

// again has something kept of the lock.
func again(make func(*testing.T, string) locker) func(*testing.T, string) locker {
	return released(released(make))
}

func leaveStaleClaim(t *testing.T, path string) { leaveStale(t, path+".0000000000000000.claim") }

func relative(t *testing.T, path string) locker {
	t.Chdir(filepath.Dir(path))
	return filelock.New(filepath.Base(path))
}

func openFile(t *testing.T, path string) locker {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return filelock.NewFile(f)
}

func touch(t *testing.T, path string) { write(t, path, "") }
func fill(t *testing.T, path string)  { write(t, path, "something much longer than a number") }

func mkdir(t *testing.T, path string) {
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
}

var descriptors = locktest.Descriptors

// checkDescriptors makes sure that there are no more than so many, in a moment:
// a lock file may be kept open that long.
func checkDescriptors(t *testing.T, want int) {
	t.Helper()
	filelock.CloseKept()
	now := descriptors(t)
	for end := time.Now().Add(5 * time.Second); now > want && time.Now().Before(end); now = descriptors(t) {
		time.Sleep(time.Millisecond)
	}
	if now > want {
		t.Errorf("there are %d descriptors, %d before", now, want)
	}
}

// checkClean makes sure that nobody has the lock, and that nothing else is
// left of it.
func checkClean(t *testing.T, path string, lock locker, fds int) {
	t.Helper()
	if lock.Held() {
		t.Error("the lock is still held")
	}
	for range 2 { // the second of which tidies up what the lock is made of
		if h, err := lock.TryAcquire(bg); err != nil {
			t.Errorf("the lock is not free: %v", err)
		} else if err := h.Release(); err != nil {
			t.Error(err)
		}
	}
	filelock.CloseKept()
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.claim"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("left behind: %v, %v", leftovers, err)
	}
	// By now, since a marker whose release failed in a Do was still kept open.
	checkDescriptors(t, fds)
}

// forEveryOperation runs a case again and again, each time with another
// operation failing, until there are no more of them.
func forEveryOperation(t *testing.T, use func(t *testing.T, lock locker, opts []filelock.AcquireOption, p *fault.Nth) error) {
	t.Cleanup(filelock.KeepLong())
	total := 0
	for _, c := range faultCases {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				p := &fault.Nth{N: n, After: after, Err: unix.EIO}
				t.Run(fmt.Sprintf("%s/%d/%v", c.name, n, after), func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "x.lock")
					filelock.CloseKept() // of the last case; a close would count
					if c.setup != nil {
						c.setup(t, path)
					}
					lock := c.lock(t, path)
					before := descriptors(t)
					err := use(t, lock, c.opts, p)
					if p.Reached() != "" && !errors.Is(err, unix.EIO) && !(err == nil && (c.recovers || isHarmless(c.name, p.Reached(), after))) {
						t.Errorf("%s failed, but the error is %v", p.Reached(), err)
					}
					if p.Reached() == "" && err != nil {
						t.Error(err)
					}
					checkClean(t, path, lock, before)
				})
				if p.Reached() == "" {
					break
				}
				total++
			}
		}
	}
	t.Logf("%d failures of an operation", total)
}

// isHarmless reports whether an operation may fail and nobody is told: a name that
// is given or taken away all the same, or a claim's, which goes with the marker.
func isHarmless(name string, op fault.Op, after bool) bool {
	return after && (op == fault.Link || op == fault.Unlink) || op == fault.Unlink && strings.HasPrefix(name, "soft")
}

// isTaken reports whether another process would find the lock taken.
func isTaken(t *testing.T, path string, lock locker) bool {
	t.Helper()
	if _, soft := lock.(*filelock.SoftFileLock); soft {
		_, err := os.Lstat(path)
		return err == nil
	}
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return false
	}
	must(t, err)
	defer unix.Close(fd)
	other := unix.Flock_t{Type: unix.F_WRLCK}
	must(t, unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &other))
	return other.Type != unix.F_UNLCK || unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// TestLaw11FailureOfAnyOperationRollsEverythingBack covers law 18 too: a
// release that failed is reported, and can be repeated.
func TestLaw11FailureOfAnyOperationRollsEverythingBack(t *testing.T) {
	forEveryOperation(t, func(t *testing.T, lock locker, opts []filelock.AcquireOption, p *fault.Nth) error {
		remove := p.Install()
		h, err := lock.TryAcquire(context.Background(), opts...)
		if err != nil {
			remove()
			if h != nil {
				t.Error("an error comes with a hold")
			}
			return err
		}
		err = h.Release()
		remove()
		if err == nil {
			return nil
		}
		stillHeld := lock.Held()
		if path := lock.Path(); stillHeld && !isTaken(t, path, lock) {
			t.Errorf("%s: a release that failed has freed the lock, which counts as held", p.Reached())
		}
		again := h.Release()
		switch {
		case again == nil, errors.Is(again, filelock.ErrLost):
			if !stillHeld {
				t.Error("a release that failed could be repeated, but the lock was not held meanwhile")
			}
		case errors.Is(again, filelock.ErrNotHeld):
			if stillHeld {
				t.Error("the lock was still held, but the release could not be repeated")
			}
		default:
			t.Error(again)
		}
		return err
	})
}

func TestDoLeavesNothingWhenAnyOperationFails(t *testing.T) {
	forEveryOperation(t, func(t *testing.T, lock locker, opts []filelock.AcquireOption, p *fault.Nth) error {
		defer p.Install()()
		return lock.Do(context.Background(), func(context.Context) error { return nil }, opts...)
	})
}

// TestLaw11WhatCannotBeRolledBackIsLater has nothing succeed any more from the
// moment at which the marker stands.
func TestLaw11WhatCannotBeRolledBackIsLater(t *testing.T) {
	path := lockPath(t)
	l := filelock.NewSoft(path)
	before := descriptors(t)
	linked := false
	heal := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if linked {
			return unix.EIO
		}
		linked = op == fault.Link
		return nil
	}})
	if _, err := l.TryAcquire(bg); !errors.Is(err, unix.EIO) {
		t.Errorf("the lock was had, or not for this reason: %v", err)
	}
	if _, err := l.TryAcquire(bg); !errors.Is(err, unix.EIO) {
		t.Errorf("the lock was had, or not for this reason: %v", err)
	}
	heal()
	if l.Held() {
		t.Error("it counts as held")
	}
	checkClean(t, path, l, before)
}
