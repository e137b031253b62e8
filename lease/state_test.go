package lease_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/lease"
)

// TestStateHasTheSixValues of flufl.lock, and by its numbers and names.
func TestStateHasTheSixValues(t *testing.T) {
	path := lockPath(t)
	c := quick
	c.NoRenewal = true
	l := lease.New(path, c)
	state := func(number int, name string) {
		t.Helper()
		s, err := l.State(bg)
		if err != nil || int(s) != number || s.String() != name {
			t.Errorf("the state is %d, %v, %v; want %d, %s", int(s), s, err, number, name)
		}
	}
	long := time.Now().Add(-time.Minute)
	expire := func() { must(t, os.Chtimes(path, long, long)) }

	state(1, "unlocked")
	h := acquire(t, l)
	state(2, "ours")
	expire()
	state(3, "ours_expired")
	must(t, h.Release())

	p := kind.Elsewhere(t, path+"2") // somebody who lives
	claim := leave(t, path, host(t), p.PID(), time.Now().Add(time.Minute))
	state(6, "unknown")
	expire()
	state(5, "theirs_expired")
	p.Kill()
	state(4, "stale")
	must(t, os.Chtimes(path, time.Now().Add(time.Minute), time.Now().Add(time.Minute)))
	state(4, "stale")

	must(t, os.Remove(path))
	must(t, os.Remove(claim))
	leave(t, path, "another.example", os.Getpid(), time.Now())
	state(6, "unknown")
	must(t, os.WriteFile(path, []byte("anything"), 0o666))
	state(6, "unknown")
	if s := lease.State(7).String(); s != "State(7)" {
		t.Errorf("State 7 is %q", s)
	}
}

func TestStateCountsAsExpiredFromItsVeryEnd(t *testing.T) {
	path := lockPath(t)
	ends := time.Unix(2e9, 0)
	leave(t, path, "here", os.Getpid(), ends)
	for at, want := range map[time.Time]lease.State{
		ends.Add(-1): lease.Ours, ends: lease.OursExpired, ends.Add(1): lease.OursExpired,
	} {
		c := quick
		c.Host = "here"
		s, err := lease.NewAt(func() time.Time { return at }, path, c).State(bg)
		if s != want || err != nil {
			t.Errorf("at %v it is %v, %v", at, s, err)
		}
	}
}

func TestDetailsOfNothingAreNotHeld(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, quick)
	_, err := l.Details(bg)
	want(t, err, filelock.ErrNotHeld)
	_, err = l.Expiration(bg)
	want(t, err, filelock.ErrNotHeld)
	for _, content := range []string{"", "x", "a|b|c|d", "a|b|1|2|3", "a|b|-1|2", "a|b|1|", "a|b|1"} {
		must(t, os.WriteFile(path, []byte(joined(content)), 0o666))
		_, err = l.Details(bg)
		want(t, err, filelock.ErrNotHeld)
	}
	p := kind.Elsewhere(t, path+"2")
	d, err := lease.New(path+"2", quick).Details(bg)
	if err != nil || d.PID != p.PID() || d.Host != host(t) || d.LockFile != path+"2" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestLaw21LookingRefreshesNothing: flufl.lock's is_locked does.
func TestLaw21LookingRefreshesNothing(t *testing.T) {
	path := lockPath(t)
	ends := time.Now().Add(time.Hour).Truncate(time.Second)
	leave(t, path, host(t), os.Getpid(), ends)
	before, err := os.Lstat(path)
	must(t, err)
	names := fmt.Sprint(files(t, path))
	l := lease.New(path, quick)
	_, err1 := l.State(bg)
	_, err2 := l.Details(bg)
	at, err3 := l.Expiration(bg)
	s, err4 := l.Inspect(bg)
	must(t, errors.Join(err1, err2, err3, err4))
	_ = l.String()
	if l.Held() {
		t.Error("this process does not have it")
	}
	if !at.Equal(ends) || !s.Expires.Equal(ends) || !s.Held || s.Stale {
		t.Errorf("it ends at %v, %+v", at, s)
	}
	after, err := os.Lstat(path)
	must(t, err)
	if !after.ModTime().Equal(before.ModTime()) || fmt.Sprint(files(t, path)) != names {
		t.Errorf("%v, %v; before %v, %v", after.ModTime(), files(t, path), before.ModTime(), names)
	}
}

// TestReadIsRepeatedOnChosenErrors as on NFS.
func TestReadIsRepeatedOnChosenErrors(t *testing.T) {
	path := lockPath(t)
	leave(t, path, host(t), os.Getpid(), time.Now().Add(time.Hour))
	failing := 3
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if failing--; op == fault.Read && failing > 0 {
			return syscall.EIO
		}
		return nil
	}})
	defer remove()
	plain, patient := lease.New(path, quick), quick
	patient.RetryErrors = []error{syscall.EIO}
	l := lease.New(path, patient)
	failing = 1000
	_, err := plain.Details(bg)
	want(t, err, syscall.EIO)
	_, err = plain.TryAcquire(bg)
	want(t, err, syscall.EIO)
	_, err = l.TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	failing = 20
	if d, err := l.Details(bg); err != nil || d.PID != os.Getpid() || failing > 0 {
		t.Errorf("%+v, %v, %d failures left", d, err, failing)
	}
}

func TestBreakKnowsALeaseThatWasRenewed(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, quick)
	h := acquire(t, l)
	s, err := l.Inspect(bg)
	must(t, err)
	must(t, l.Refresh(h.Context(), time.Hour))
	must(t, l.Break(bg, s))
	<-h.Lost()
	want(t, h.Release(), filelock.ErrLost)
	nothingIsLeft(t, path)

	// Of flufl.lock's holds several say the same.
	claim := leave(t, path, host(t), os.Getpid(), time.Now().Add(time.Minute))
	s, err = l.Inspect(bg)
	must(t, err)
	later := time.Now().Add(2 * time.Minute)
	must(t, os.Chtimes(claim, later, later))
	want(t, l.Break(bg, s), filelock.ErrLost)
	s, err = l.Inspect(bg)
	must(t, err)
	must(t, l.Break(bg, s))
	nothingIsLeft(t, path)
}
