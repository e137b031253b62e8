package faultfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

var bg = context.Background()

// wrong is what can go wrong with each operation.
var wrong = []struct {
	op     Op
	errnos []syscall.Errno
}{
	{Lock, []syscall.Errno{syscall.EIO, syscall.ENOSYS, syscall.ENOLCK, syscall.ESTALE, syscall.ENOTSUP}},
	{Unlock, []syscall.Errno{syscall.EIO, syscall.ENOLCK}},
	{Open, []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.EACCES, syscall.EROFS, syscall.ESTALE}},
	{Create, []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.EACCES, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.ESTALE}},
	{Flush, []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}},
	{Write, []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT}},
	{Read, []syscall.Errno{syscall.EIO}},
	{Fsync, []syscall.Errno{syscall.EIO}},
	{Lookup, []syscall.Errno{syscall.EIO, syscall.EACCES, syscall.ESTALE}},
	{Getattr, []syscall.Errno{syscall.EIO, syscall.ESTALE}},
	{Setattr, []syscall.Errno{syscall.EIO, syscall.EPERM}},
	{Link, []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EPERM, syscall.EMLINK}},
	{Rename, []syscall.Errno{syscall.EIO}},
	{Symlink, []syscall.Errno{syscall.EIO, syscall.ENOSPC}},
	{Readlink, []syscall.Errno{syscall.EIO}},
	{Mkdir, []syscall.Errno{syscall.EIO, syscall.ENOSPC}},
	{Rmdir, []syscall.Errno{syscall.EIO, syscall.EBUSY}},
	{Unlink, []syscall.Errno{syscall.EIO, syscall.EBUSY, syscall.EACCES}},
	{List, []syscall.Errno{syscall.EIO, syscall.EMFILE}},
}

// TestEachFault has each kind of lock meet each fault: all the time, once, and
// with the operation done all the same; while it is acquired, and while it is
// released.
func TestEachFault(t *testing.T) {
	b := newBed(t, 0)
	for _, k := range chosen() {
		t.Run(k.Name, func(t *testing.T) {
			v := newVictim(t, b, k)
			for _, w := range wrong {
				for _, releasing := range []bool{false, true} {
					everyWay(w.op, w.errnos, func(f Fault) int { return v.suffer(f, releasing) })
				}
			}
			t.Logf("%d faults in %d trials: %d acquisitions and %d releases failed", v.struck, v.trials, v.refused, v.kept)
			if v.struck == 0 || v.refused == 0 || v.kept == 0 {
				t.Error("the faults do not reach the lock")
			}
		})
	}
	t.Logf("%v", b.injected)
}

// A victim is a lock that faults befall.
type victim struct {
	*testing.T
	bed   *bed
	kind  locktest.Kind
	path  string
	lock  locktest.Lock
	other *testproc.Proc

	trials, struck, refused, kept int
}

func newVictim(t *testing.T, b *bed, k locktest.Kind) *victim {
	dir, err := os.MkdirTemp(b.dir, "")
	must(t, err)
	v := &victim{T: t, bed: b, kind: k, path: filepath.Join(dir, "x.lock")}
	v.lock = k.New(v.path)
	v.other = testproc.Start(t, "hold "+k.Name, v.path)
	return v
}

// everyWay has an operation fail in all ways, if it is one that takes place at all:
// suffer returns how often a fault has struck.
func everyWay(op Op, errnos []syscall.Errno, suffer func(Fault) int) {
	for i, errno := range errnos {
		if suffer(Fault{Op: op, Errno: errno}) == 0 {
			return
		}
		if i > 0 && !locktest.Thorough() {
			continue
		}
		for n := 0; suffer(Fault{Op: op, Errno: errno, Skip: n, Times: 1}) > 0; n++ {
		}
	}
	for n := 0; suffer(Fault{Op: op, Errno: errnos[0], Done: true, Skip: n, Times: 1}) > 0; n++ {
	}
}

// suffer has f befall an acquisition, or a release. It returns how often it has
// struck.
func (v *victim) suffer(f Fault, releasing bool) (struck int) {
	name := fmt.Sprintf("%s %v", f.Op, f.Errno)
	if f.Times > 0 {
		name = fmt.Sprintf("%s at %d", name, f.Skip+1)
	}
	if f.Done {
		name += " but done"
	}
	if releasing {
		name += " in release"
	}
	v.Run(name, func(t *testing.T) {
		before := locktest.Descriptors(t)
		if releasing {
			struck = v.release(t, f)
		} else {
			struck = v.acquire(t, f)
		}
		if struck > 0 {
			v.recovers(t)
			v.leavesNothing(t, before)
		}
	})
	v.trials++
	v.struck += struck
	return struck
}

func (v *victim) acquire(t *testing.T, f Fault) (struck int) {
	v.bed.fail(f)
	acquire := v.acquireSoon
	if v.mayLeaveNameless(f) {
		acquire = func() (*filelock.Hold, error) { return v.lock.TryAcquire(bg) }
	}
	h, err := acquire()
	struck = v.bed.heal()
	if err != nil {
		v.refused++
		if !v.mayLeaveNameless(f) || !v.breakNameless(t) {
			v.check(t, err, f, struck)
		}
		return struck
	}
	if struck > 0 {
		v.wantExcluded(t)
	}
	must(t, h.Release())
	return struck
}

func (v *victim) release(t *testing.T, f Fault) (struck int) {
	h, err := v.lock.Acquire(bg)
	must(t, err)
	v.bed.fail(f)
	err = h.Release()
	struck = v.bed.heal()
	if err == nil {
		return struck
	}
	v.kept++
	v.check(t, err, f, struck)
	held := v.lock.Held()
	if held {
		v.wantExcluded(t)
	}
	if err = h.Release(); err == nil != held || err != nil && !errors.Is(err, filelock.ErrNotHeld) {
		t.Errorf("held after the release had failed: %v, but another one: %v", held, err)
	}
	return struck
}

// mayLeaveNameless reports whether f can leave a marker that does not say whose it
// is: it was made at its place and could not be filled, since it was said to be
// not there. Nobody may take it for their own.
func (v *victim) mayLeaveNameless(f Fault) bool {
	switch v.kind.Name {
	case "mkdir":
		return f.Op == Mkdir && f.Done
	case "pid":
		return f.Op == Create && f.Done || f.Op == Getattr // which the kernel asks for once it has made a file
	}
	return false
}

// breakNameless breaks a marker that names nobody, if there is one.
func (v *victim) breakNameless(t *testing.T) bool {
	s, err := v.lock.Inspect(bg)
	must(t, err)
	if !s.Held || s.Holders[0].PID != 0 {
		return false
	}
	must(t, v.lock.Break(bg, s))
	return true
}

// acquireSoon waits for no longer than it takes a lease to end.
func (v *victim) acquireSoon() (*filelock.Hold, error) {
	ctx, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	return v.lock.Acquire(ctx)
}

// check makes sure that an error says what has happened, and where.
func (v *victim) check(t *testing.T, err error, f Fault, struck int) {
	t.Helper()
	if struck == 0 {
		t.Errorf("nothing went wrong, but: %v", err)
	}
	if e := new(filelock.LockError); !errors.As(err, &e) || !strings.Contains(err.Error(), v.path) {
		t.Errorf("the error does not name the lock: %v", err)
	}
	// An open that is stale the kernel repeats, and finds what it has made.
	again := f.Errno == syscall.ESTALE && strings.Contains(err.Error(), "in the way")
	if !errors.Is(err, f.Errno) && !again {
		t.Errorf("the error is not %v: %v", f.Errno, err)
	}
	for _, not := range []error{filelock.ErrLocked, filelock.ErrDeadlock, filelock.ErrNotHeld, context.DeadlineExceeded} {
		if errors.Is(err, not) {
			t.Errorf("the error matches %v: %v", not, err)
		}
	}
}

// recovers makes sure that the lock can be had again.
func (v *victim) recovers(t *testing.T) {
	t.Helper()
	if v.lock.Held() {
		t.Error("the lock is held still")
	}
	soon := "try"
	if strings.Contains(v.kind.Name, "lease") { // which may have to end
		soon = "acquire"
	}
	if v.wantOther(t, soon, true) {
		v.wantOther(t, "release", true)
	}
	h, err := v.acquireSoon()
	if err != nil {
		t.Error(err)
		v.clear(t, func(string) bool { return true })
		return
	}
	v.wantExcluded(t)
	must(t, h.Release())
}

// wantExcluded makes sure that another process does not get the lock.
func (v *victim) wantExcluded(t *testing.T) {
	t.Helper()
	if !v.wantOther(t, "try", false) {
		return
	}
	v.wantOther(t, "release", true)
}

// wantOther has another process do something, which succeeds or not.
func (v *victim) wantOther(t *testing.T, command string, done bool) bool {
	t.Helper()
	v.other.Say(command)
	said := v.other.Line()
	if (said == "done") != done {
		t.Errorf("another process was told to %s: %s", command, said)
	}
	return said == "done"
}

func (v *victim) leavesNothing(t *testing.T, descriptors int) {
	t.Helper()
	must(t, filelock.ReleaseAll())
	if n := locktest.Descriptors(t); n != descriptors {
		t.Errorf("%d descriptors are open, %d before", n, descriptors)
	}
	v.clear(t, func(name string) bool { return name != "x.lock" && name != "x.lock.token" })
}

// clear removes what should not be there.
func (v *victim) clear(t *testing.T, wrong func(name string) bool) {
	t.Helper()
	dir := filepath.Dir(v.path)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if wrong(e.Name()) {
			content, _ := os.ReadFile(filepath.Join(dir, e.Name()))
			t.Errorf("%s is left behind: %v, %q", e.Name(), e.Type(), content)
			must(t, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
}
