package filelock_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
)

// counting returns a plan that counts the operations of some kinds.
func countingOps(n *atomic.Int32, ops ...fault.Op) *fault.Plan {
	return &fault.Plan{Before: func(op fault.Op, _ string) error {
		for _, o := range ops {
			if o == op {
				n.Add(1)
			}
		}
		return nil
	}}
}

// keep has the file of l kept open, which it is from its second release on, if
// that follows soon.
func keep(t *testing.T, l filelock.Locker) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		must(t, l.Do(bg, nothing))
		var opens atomic.Int32
		remove := fault.Install(countingOps(&opens, fault.Open, fault.Create))
		must(t, l.Do(bg, nothing))
		remove()
		if opens.Load() == 0 {
			return
		}
	}
	t.Fatal("the file is never kept open")
}

func nothing(context.Context) error { return nil }

// TestNothingStaysOpen: no file, no inotify instance, no memory of the lock.
func TestNothingStaysOpen(t *testing.T) {
	filelock.CloseKept()
	before := descriptors(t)
	path := lockPath(t)
	l := filelock.New(path)
	keep(t, l)
	if now := descriptors(t); now != before+1 {
		t.Errorf("there are %d descriptors, %d before", now, before)
	}
	p := flockKind.Elsewhere(t, path)
	ctx, cancel := context.WithTimeout(bg, 10*time.Millisecond)
	defer cancel()
	_, err := l.Acquire(ctx) // which watches the file
	want(t, err, filelock.ErrTimeout)
	p.Kill()
	start := time.Now()
	for openOf(t, "anon_inode:inotify")+openOf(t, path)+filelock.Kept()+filelock.Queues() > 0 {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("there are %d inotify instances, %d lock files, %d kept and %d queues",
				openOf(t, "anon_inode:inotify"), openOf(t, path), filelock.Kept(), filelock.Queues())
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("after %v", time.Since(start))
}

// openOf counts the descriptors of this process that lead to what is so named.
func openOf(t *testing.T, name string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == name {
			n++
		}
	}
	return n
}

// TestKeptFileIsFree has others lock it.
func TestKeptFileIsFree(t *testing.T) {
	t.Cleanup(filelock.KeepLong())
	path := lockPath(t)
	l := filelock.New(path)
	keep(t, l)
	if got := flockSays(t, path); got != 0 {
		t.Errorf("flock(1) says %d", got)
	}
	p := flockKind.Elsewhere(t, path)
	_, err := l.TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	p.Kill()
	must(t, l.Do(bg, nothing))
}

// TestLaw01KeptFileIsComparedAgain replaces and removes it while it is kept.
func TestLaw01KeptFileIsComparedAgain(t *testing.T) {
	t.Cleanup(filelock.KeepLong())
	for what, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", nil, 0o666), os.Rename(path+"2", path))
		},
		"removed": os.Remove,
	} {
		path := lockPath(t)
		l := filelock.New(path)
		keep(t, l)
		must(t, change(path))
		must(t, l.Do(bg, func(context.Context) error {
			if got := flockSays(t, path); got != 1 {
				t.Errorf("%s: flock(1) says %d", what, got)
			}
			return nil
		}))
	}
}

// TestKnockClosesAKeptFile: whoever waits is woken by that.
func TestKnockClosesAKeptFile(t *testing.T) {
	t.Cleanup(filelock.KeepLong())
	path := lockPath(t)
	l := filelock.New(path)
	keep(t, l)
	for _, knock := range []bool{true, false} {
		h := acquire(t, bg, l)
		if knock {
			f, err := sys.Open(path, sys.ReadOnly)
			must(t, err)
			if !f.Knock() {
				t.Error("no trace remains")
			}
			must(t, f.Close())
		}
		var closes atomic.Int32
		remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
			if op == fault.Close {
				closes.Add(1)
			}
			return err
		}})
		must(t, h.Release())
		remove()
		if (closes.Load() > 0) != knock {
			t.Errorf("knock %v: %d closes", knock, closes.Load())
		}
		keep(t, l)
	}
}

// handOver has the owners of ctxs take l one after the other, and reports
// whether the system has seen but one unlock.
func handOver(t *testing.T, l filelock.Locker, path string, ctxs ...context.Context) bool {
	t.Helper()
	holds := make(chan *filelock.Hold, 1)
	first := acquire(t, ctxs[0], l)
	for _, ctx := range ctxs[1:] {
		waiting := make(chan struct{})
		go func() {
			h, err := filelock.New(path, filelock.WithContent("{owner}\n"), filelock.WithLogger(locktest.WhenWaiting(waiting))).Acquire(ctx)
			if err != nil {
				t.Error(err)
			}
			holds <- h
		}()
		<-waiting
	}
	var unlocks atomic.Int32
	remove := fault.Install(countingOps(&unlocks, fault.Unlock))
	defer remove()
	must(t, first.Release())
	for _, ctx := range ctxs[1:] {
		h := <-holds
		owner, _ := filelock.OwnerFrom(ctx)
		content, err := os.ReadFile(path)
		if err != nil || string(content) != owner.Name()+"\n" {
			t.Errorf("%s has it, but the content is %q, %v", owner.Name(), content, err)
		}
		if got := flockSays(t, path); got != 1 {
			t.Errorf("flock(1) says %d", got)
		}
		must(t, h.Release())
	}
	return unlocks.Load() == 1
}

func TestHandOverWritesTheContent(t *testing.T) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		path := lockPath(t)
		if handOver(t, filelock.New(path, filelock.WithContent("{owner}\n")), path, ownedBy("a"), ownedBy("b")) {
			return
		}
	}
	t.Error("nothing is ever handed over")
}

// TestLaw01HandOverFollowsAReplacedFile has the file replaced, or moved away, while
// it is locked and somebody of this process waits.
func TestLaw01HandOverFollowsAReplacedFile(t *testing.T) {
	for how, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", nil, 0o666), os.Rename(path+"2", path))
		},
		"moved away": func(path string) error { return os.Rename(path, path+"2") },
	} {
		path := lockPath(t)
		l := filelock.New(path)
		first := acquire(t, bg, l)
		waiting, got := make(chan struct{}), make(chan *filelock.Hold)
		go func() {
			h, err := filelock.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Acquire(bg)
			if err != nil {
				t.Error(err)
			}
			got <- h
		}()
		<-waiting
		must(t, change(path))
		must(t, first.Release())
		h := <-got
		if got := flockSays(t, path); got != 1 {
			t.Errorf("%s: flock(1) says %d", how, got)
		}
		must(t, h.Release())
	}
}

// TestBusyProcessLetsOthersIn has goroutines of this process take the lock all
// the time, and others get it too: they would wait for ever otherwise.
func TestBusyProcessLetsOthersIn(t *testing.T) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("flock(1) is not installed")
	}
	path := lockPath(t)
	ctx, cancel := context.WithCancel(bg)
	var busy sync.WaitGroup
	var turns atomic.Int64
	for range 16 {
		busy.Go(func() {
			l := filelock.New(path)
			for ctx.Err() == nil {
				if l.Do(ctx, nothing) == nil {
					turns.Add(1)
				}
			}
		})
	}
	p := flockKind.Elsewhere(t, path)
	for range 20 {
		p.Say("release")
		p.Expect("done")
		if out, err := exec.Command(flock, path, "true").CombinedOutput(); err != nil {
			t.Errorf("flock(1): %v, %s", err, out)
		}
		p.Say("acquire")
		p.Expect("done")
	}
	p.Kill()
	cancel()
	busy.Wait()
	t.Logf("%d turns of this process", turns.Load())
}

// TestLaw16LentFileHasNoLaterLock has somebody keep the duplicate of a hold's
// file beyond its end, by hand-over and by keeping.
func TestLaw16LentFileHasNoLaterLock(t *testing.T) {
	for _, handedOver := range []bool{false, true} {
		path := lockPath(t)
		l := filelock.New(path)
		keep(t, l)
		first := acquire(t, bg, l)
		lent := acquire(t, bg, filelock.NewFile(first.File())) // it shares the lock
		second := make(chan *filelock.Hold, 1)
		if handedOver {
			waiting := make(chan struct{})
			go func() {
				h, err := filelock.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Acquire(bg)
				if err != nil {
					t.Error(err)
				}
				second <- h
			}()
			<-waiting
			must(t, first.Release())
		} else {
			must(t, first.Release())
			second <- acquire(t, bg, l)
		}
		h := <-second
		must(t, lent.Release())
		if got := flockSays(t, path); got != 1 {
			t.Errorf("handed over %v: flock(1) says %d", handedOver, got)
		}
		must(t, h.Release())
	}
}

// TestLaw01RemovedUnderTheLock removes the file within each section, as many do,
// while others of this process wait.
func TestLaw01RemovedUnderTheLock(t *testing.T) {
	path := lockPath(t)
	var all sync.WaitGroup
	var inside atomic.Int32
	for range 8 {
		all.Go(func() {
			for range 25 {
				err := filelock.New(path).Do(bg, func(context.Context) error {
					if inside.Add(1) != 1 {
						t.Error("two have the lock")
					}
					// What is locked now is what the path leads to.
					f, err := sys.Open(path, sys.ReadOnly)
					if err != nil {
						return err
					}
					if err := f.TryLock(false); !errors.Is(err, sys.ErrBusy) {
						t.Errorf("the file at the path is not locked: %v", err)
					}
					inside.Add(-1)
					return errors.Join(f.Close(), os.Remove(path))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestKeptFileThatIsNoLongerThere is locked by somebody who removes it.
func TestKeptFileThatIsNoLongerThere(t *testing.T) {
	path := lockPath(t)
	l := filelock.New(path)
	keep(t, l)
	p := flockKind.Elsewhere(t, path)
	must(t, os.Remove(path))
	h, err := l.TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
	p.Kill()
}

// TestFewFilesAreKept: the program needs descriptors too.
func TestFewFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	before := descriptors(t)
	for i := range 200 {
		l := filelock.New(filepath.Join(dir, strconv.Itoa(i)))
		for range 3 {
			must(t, l.Do(bg, nothing))
		}
	}
	if now := descriptors(t); now > before+32 {
		t.Errorf("there are %d descriptors, %d before", now, before)
	}
	checkDescriptors(t, before)
}

// TestReleaseAllWhileOthersWait has it look into a queue where somebody is about
// to give the lock back.
func TestReleaseAllWhileOthersWait(t *testing.T) {
	path := lockPath(t)
	ctx, cancel := context.WithCancel(bg)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				filelock.New(path).Do(ctx, nothing)
			}
		})
	}
	for range 500 {
		must(t, filelock.ReleaseAll())
	}
	cancel()
	all.Wait()
}
