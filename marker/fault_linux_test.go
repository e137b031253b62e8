package marker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
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
// file.
func TestLaw13PrivateDirectoryInThePlaceOfOursIsALoss(t *testing.T) {
	path, k := lockPath(t), kindNamed("mkdir")
	at := k.LockFile(path)
	h, err := k.New(path).TryAcquire(bg)
	must(t, err)
	must(t, errors.Join(os.Rename(at, at+".ours"), os.Mkdir(at, 0o700)))
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
		if op == fault.Lstat && filepath.Dir(on) == at {
			return fs.ErrPermission
		}
		return nil
	}})()
	select {
	case <-h.Lost():
	case <-time.After(10 * time.Second):
		t.Error("nobody says so")
	}
	want(t, h.Release(), filelock.ErrLost)
}

// TestLaw20GuardOfAnotherUserIsContention: nobody else may open the file that keeps
// others from a symbolic link, as long as that user is at it. One's own link goes all
// the same.
func TestLaw20GuardOfAnotherUserIsContention(t *testing.T) {
	k := kindNamed("symlink")
	for _, c := range []struct {
		there    bool
		refusals int // 1000: for ever
		want     error
	}{
		{false, 0, nil},
		{true, 2, filelock.ErrLocked},
		{true, 1000, filelock.ErrLocked},
		{false, 2, nil}, // gone when it is looked for
		{false, 1000, fs.ErrPermission},
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
		}
		stop := refuse()
		h, err := clearing(k).New(path).TryAcquire(bg)
		stop()
		if !errors.Is(err, c.want) || errors.Is(err, filelock.ErrLocked) != (c.want == filelock.ErrLocked) {
			t.Errorf("%+v: %v", c, err)
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
