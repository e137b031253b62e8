package marker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
)

// faultCases are the ways in which locks are taken and given back.
func faultCases() (cases []faultCase) {
	for _, k := range kinds() {
		cases = append(cases, faultCase{k, nil}, faultCase{clearing(k), func(t *testing.T, path string) { k.Elsewhere(t, path).Kill() }})
	}
	return cases
}

type faultCase struct {
	kind  locktest.Kind
	setup func(t *testing.T, path string)
}

// checkClean makes sure that nobody has the lock, and that nothing is left of it.
func checkClean(t *testing.T, path string, lock locktest.Lock, fds int) {
	t.Helper()
	if lock.Held() {
		t.Error("the lock is still held")
	}
	if h, err := lock.TryAcquire(bg); err != nil {
		t.Errorf("the lock is not free: %v", err)
	} else if err := h.Release(); err != nil {
		t.Error(err)
	}
	if left := files(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
	now := locktest.Descriptors(t)
	for end := time.Now().Add(5 * time.Second); now > fds && time.Now().Before(end); now = locktest.Descriptors(t) {
		time.Sleep(time.Millisecond)
	}
	if now > fds {
		t.Errorf("there are %d descriptors, %d before", now, fds)
	}
}

// forEveryOperation runs each case again and again, each time with another
// operation failing, until there are no more of them.
func forEveryOperation(t *testing.T, use func(t *testing.T, lock locktest.Lock, p *fault.Nth) error) {
	total := 0
	for _, c := range faultCases() {
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				p := &fault.Nth{N: n, After: late, Err: unix.EIO}
				t.Run(fmt.Sprintf("%s/%d/%v", c.kind.Name, n, late), func(t *testing.T) {
					path := lockPath(t)
					if c.setup != nil {
						c.setup(t, path)
					}
					lock := c.kind.New(path)
					before := locktest.Descriptors(t)
					err := use(t, lock, p)
					if err != nil && !errors.Is(err, unix.EIO) && !errors.Is(err, filelock.ErrLocked) {
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

// TestLaw11FailureOfAnyOperationRollsEverythingBack covers law 18 too: a
// release that failed is reported, and can be repeated.
func TestLaw11FailureOfAnyOperationRollsEverythingBack(t *testing.T) {
	forEveryOperation(t, func(t *testing.T, lock locktest.Lock, p *fault.Nth) error {
		remove := p.Install()
		h, err := lock.TryAcquire(bg)
		if err != nil {
			remove()
			return err
		}
		err = h.Release()
		remove()
		if err == nil {
			return nil
		}
		stillHeld := lock.Held()
		again := h.Release()
		late := p.After && errors.Is(again, filelock.ErrLost) // it had gone
		if stillHeld && again != nil && !late || !stillHeld && !errors.Is(again, filelock.ErrNotHeld) {
			t.Errorf("held: %v; released again: %v", stillHeld, again)
		}
		return err
	})
}

func TestDoLeavesNothingWhenAnyOperationFails(t *testing.T) {
	forEveryOperation(t, func(t *testing.T, lock locktest.Lock, p *fault.Nth) error {
		defer p.Install()()
		return lock.Do(bg, func(context.Context) error { return nil })
	})
}

// TestFullDiskRefusesNoRelease has nothing made any more while a lock is held.
func TestFullDiskRefusesNoRelease(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Create || op == fault.Write || op == fault.Mkdir {
				return unix.ENOSPC
			}
			return nil
		}})
		err = h.Release()
		remove()
		must(t, err)
		if left := files(t, filepath.Dir(path)); len(left) > 0 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw11WhatCannotBeRolledBackIsLater has nothing succeed any more from the
// moment at which the marker stands.
func TestLaw11WhatCannotBeRolledBackIsLater(t *testing.T) {
	for name, making := range map[string]fault.Op{"link": fault.Link, "mkdir": fault.Create, "pid": fault.Dup} {
		path := lockPath(t)
		l := kindNamed(name).New(path)
		before := locktest.Descriptors(t)
		made := false
		heal := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if made {
				return unix.EIO
			}
			made = op == making
			return nil
		}})
		for range 2 {
			if _, err := l.TryAcquire(bg); !errors.Is(err, unix.EIO) {
				t.Errorf("%s: the lock was had, or not for this reason: %v", name, err)
			}
		}
		heal()
		checkClean(t, l.Path(), l, before)
	}
}

// TestLaw20PrivateDirectoryInThePlaceOfTheDeadIsContention: the one of a dead holder has
// been removed by others, and the next one is of a user who lets nobody look into it.
func TestLaw20PrivateDirectoryInThePlaceOfTheDeadIsContention(t *testing.T) {
	path, k := lockPath(t), kindNamed("mkdir")
	k.Elsewhere(t, path).Kill()
	at, looks := k.LockFile(path), 0
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
		if op == fault.Open && on == at {
			looks++
		}
		switch {
		case op == fault.Open && on == at && looks == 2: // to break it
			must(t, errors.Join(os.RemoveAll(at), os.Mkdir(at, 0o777), os.Chtimes(at, time.Time{}, time.Unix(2e9, 0))))
			return fs.ErrPermission
		case op == fault.List && looks > 2:
			return fs.ErrPermission
		}
		return nil
	}})
	_, err := clearing(k).New(path).TryAcquire(bg)
	remove()
	want(t, err, filelock.ErrLocked)
	if looks != 3 {
		t.Errorf("it was opened %d times", looks)
	}
}

// TestLaw13PrivateDirectoryInThePlaceOfOursIsALoss: nobody else may look into it for our
// file. Where nothing is known of the file system it may be ours, with another number.
func TestLaw13PrivateDirectoryInThePlaceOfOursIsALoss(t *testing.T) {
	for _, known := range []bool{true, false} {
		path, k := lockPath(t), kindNamed("mkdir")
		at := k.LockFile(path)
		h, err := k.New(path).TryAcquire(bg)
		must(t, err)
		must(t, errors.Join(os.Rename(at, at+".ours"), os.Mkdir(at, 0o700)))
		looks := make(chan struct{}, 100)
		stop := fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
			switch {
			case op == fault.Lstat && filepath.Dir(on) == at:
				select {
				case looks <- struct{}{}:
				default:
				}
				return fs.ErrPermission
			case op == fault.Statfs && !known:
				return unix.EIO
			}
			return nil
		}})
		if known {
			select {
			case <-h.Lost():
			case <-time.After(10 * time.Second):
				t.Error("nobody says so")
			}
		} else {
			for range 3 { // the first two have been judged by then
				select {
				case <-looks:
				case <-h.Lost():
					t.Fatal("it counts as lost")
				}
			}
		}
		want(t, h.Release(), filelock.ErrLost)
		stop()
	}
}

// TestLaw20HalfARemovalIsNoContention: what is left of a dead holder's marker is in use,
// as on Windows, and nobody else will remove it. Nor has anybody taken its place.
func TestLaw20HalfARemovalIsNoContention(t *testing.T) {
	for kind, half := range map[string]fault.Op{"mkdir": fault.Rmdir, "link": fault.Unlink} {
		k := kindNamed(kind)
		for name, remove := range map[string]func(path string, s filelock.State) error{
			"break":   func(path string, s filelock.State) error { return k.New(path).Break(bg, s) },
			"acquire": func(path string, _ filelock.State) error { _, err := clearing(k).New(path).TryAcquire(bg); return err },
		} {
			path := lockPath(t)
			k.Elsewhere(t, path).Kill()
			s, err := k.New(path).Inspect(bg)
			must(t, err)
			stop := fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
				if op == half && (op == fault.Rmdir || on != k.LockFile(path)) {
					return sys.ErrBusy
				}
				return nil
			}})
			err = remove(path, s)
			stop()
			if err == nil || errors.Is(err, filelock.ErrLocked) || errors.Is(err, filelock.ErrLost) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
		}
	}
}

// TestLaw20GuardOfAnotherUserIsContention: nobody else may open the file that keeps
// others from a symbolic link, as long as that user is at it. If he was killed it is
// said what is in the way. One's own link goes all the same.
func TestLaw20GuardOfAnotherUserIsContention(t *testing.T) {
	k := kindNamed("symlink")
	for _, c := range []struct {
		there    bool
		age      time.Duration
		refusals int // 1000: for ever
		want     error
	}{
		{false, 0, 0, nil},
		{true, 0, 2, filelock.ErrLocked},
		{true, 0, 1000, filelock.ErrLocked},
		{true, time.Minute, 1000, fs.ErrPermission},
		{true, -time.Minute, 1000, fs.ErrPermission}, // the clock was set
		{false, 0, 2, nil},                           // gone when it is looked for
		{false, 0, 1000, fs.ErrPermission},
	} {
		path, refused := lockPath(t), 0
		guard := k.LockFile(path) + ".break"
		refuse := func() (stop func()) {
			return fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
				if on != guard || op != fault.Open && op != fault.Create || refused == c.refusals {
					return nil
				}
				refused++
				return fs.ErrPermission
			}})
		}
		k.Elsewhere(t, path).Kill()
		if c.there {
			must(t, os.WriteFile(guard, nil, 0o600))
			must(t, os.Chtimes(guard, time.Time{}, time.Now().Add(-c.age)))
		}
		stop := refuse()
		h, err := clearing(k).New(path).TryAcquire(bg)
		stop()
		if !errors.Is(err, c.want) || errors.Is(err, filelock.ErrLocked) != (c.want == filelock.ErrLocked) {
			t.Errorf("%+v: %v", c, err)
		}
		if c.age != 0 && !strings.Contains(err.Error(), guard) {
			t.Errorf("it does not name %s: %v", guard, err)
		}
		if err != nil { // next time there is nobody
			must(t, os.RemoveAll(guard))
			h, err = clearing(k).New(path).TryAcquire(bg)
			must(t, err)
		}
		if c.there {
			must(t, os.WriteFile(guard, nil, 0o600))
		}
		refused = 0
		stop = refuse()
		must(t, h.Release())
		stop()
		if _, err := os.Lstat(k.LockFile(path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: released, but %v", c, err)
		}
	}
}

// TestLaw18GuardThatAnotherUserHasLeftIsNoFailure: in a sticky directory only he may
// remove it.
func TestLaw18GuardThatAnotherUserHasLeftIsNoFailure(t *testing.T) {
	path, k := lockPath(t), kindNamed("symlink")
	guard := k.LockFile(path) + ".break"
	must(t, os.WriteFile(guard, nil, 0o644))
	k.Elsewhere(t, path).Kill()
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
		if op == fault.Unlink && on == guard {
			return unix.EPERM
		}
		return nil
	}})()
	must(t, clearing(k).New(path).Do(bg, func(context.Context) error { return nil }))
	if left := files(t, filepath.Dir(path)); !slices.Equal(left, []string{filepath.Base(guard)}) {
		t.Errorf("there are %q", left)
	}
}
