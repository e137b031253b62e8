//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/record"
)

// TestLostMarkerIsNoticed takes the marker away as py-filelock's breaker does,
// and in other ways.
func TestLostMarkerIsNoticed(t *testing.T) {
	for what, take := range map[string]func(path string) error{
		"renamed away": func(path string) error { return os.Rename(path, path+".break.1") },
		"removed":      os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte("1\nelsewhere\n"), 0o666), os.Rename(path+"2", path))
		},
		"overwritten": func(path string) error { return os.WriteFile(path, []byte("1\nelsewhere\n"), 0o666) },
	} {
		path := lockPath(t)
		var noticed time.Duration
		err := filelock.NewSoft(path).Do(bg, func(ctx context.Context) error {
			must(t, take(path))
			start := time.Now()
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Second):
				t.Errorf("%s: the holder does not notice", what)
			}
			noticed = time.Since(start)
			want(t, context.Cause(ctx), filelock.ErrLost)
			return nil
		})
		want(t, err, filelock.ErrLost)
		t.Logf("%s: noticed after %v", what, noticed)
		if what == "replaced" || what == "overwritten" {
			content, err := os.ReadFile(path)
			if err != nil || string(content) != "1\nelsewhere\n" {
				t.Errorf("%s: the other's marker is now %q, %v", what, content, err)
			}
		}
	}
}

// TestLaw07BreakOfAHoldThatHasVanishedIsLost has a marker removed, and looks at
// the lock before its holder is told.
func TestLaw07BreakOfAHoldThatHasVanishedIsLost(t *testing.T) {
	l := filelock.NewSoft(lockPath(t))
	var s filelock.State
	for range 100 {
		h, err := l.Acquire(bg)
		must(t, err)
		must(t, os.Remove(l.Path()))
		s, err = l.Inspect(bg)
		must(t, err)
		want(t, h.Release(), filelock.ErrLost)
		if s.Held { // otherwise the holder had just been told
			break
		}
	}
	successor, err := filelock.NewSoft(l.Path()).Acquire(bg)
	must(t, err)
	want(t, l.Break(bg, s), filelock.ErrLost)
	must(t, successor.Release())
}

func TestTouchedMarkerIsNotLost(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.NewSoft(path).Acquire(bg)
	must(t, err)
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, past, past))
	looks := make(chan struct{}, 100)
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, p string, err error) error {
		if op == fault.Read {
			looks <- struct{}{}
		}
		return err
	}})
	<-looks // the watch has seen the other time, and read the marker
	<-looks
	remove()
	select {
	case <-h.Lost():
		t.Error("a marker that was touched counts as lost")
	default:
	}
	must(t, h.Release())
}

// without returns a plan that has some operations not exist.
func without(ops ...fault.Op) *fault.Plan {
	return &fault.Plan{Before: func(op fault.Op, _ string) error {
		for _, o := range ops {
			if op == o {
				return noSuchNames
			}
		}
		return nil
	}}
}

// TestFileSystemsWithoutLinks has markers made in the other ways, with others
// there, without them and with a dead one's.
func TestFileSystemsWithoutLinks(t *testing.T) {
	for _, ops := range [][]fault.Op{{fault.Link}, {fault.Link, fault.Rename}} {
		path := lockPath(t)
		l := filelock.NewSoft(path)
		leaveStale(t, path)
		remove := fault.Install(without(ops...))
		for range 3 {
			h, err := l.TryAcquire(bg)
			must(t, err)
			p := softKind.Elsewhere(t, path+"other")
			p.Kill()
			content, err := os.ReadFile(path)
			must(t, err)
			if m, err := record.ParseMarker(content); err != nil || m.ID.PID != os.Getpid() {
				t.Errorf("without %v the marker is %q, %v", ops, content, err)
			}
			must(t, h.Release())
		}
		remove()
		p := softKind.Elsewhere(t, path)
		remove = fault.Install(without(ops...))
		_, err := l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		remove()
		p.Say("release")
		p.Expect("done")
		left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "x.lock*"))
		for _, name := range left {
			if !strings.HasSuffix(name, "other") {
				t.Errorf("left behind: %s, %v", name, err)
			}
		}
	}
}

// TestOthersAreFasterWithoutLinks has a marker appear between the look at the
// path and the making of our own, in every way of making it.
func TestOthersAreFasterWithoutLinks(t *testing.T) {
	for _, ops := range [][]fault.Op{nil, {fault.Link}, {fault.Link, fault.Rename}} {
		path := lockPath(t)
		made := false
		no := without(ops...)
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, p string) error {
			if op == fault.Create && !made { // of the claim
				made = true
				return os.WriteFile(path, []byte("1\nelsewhere\n"), 0o666)
			}
			return no.Before(op, p)
		}})
		_, err := filelock.NewSoft(path).TryAcquire(bg)
		remove()
		want(t, err, filelock.ErrLocked)
		filelock.CloseKept()
		left, err := filepath.Glob(path + "*")
		if err != nil || len(left) != 1 {
			t.Errorf("without %v there are %v, %v", ops, left, err)
		}
	}
}

// TestReplyThatWasLost has a server make the link and say that it has not, or
// that it is there when it is asked again.
func TestReplyThatWasLost(t *testing.T) {
	for _, answer := range []error{errors.New("no answer"), fs.ErrExist} {
		path := lockPath(t)
		l := filelock.NewSoft(path)
		remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
			if op == fault.Link && err == nil {
				return answer
			}
			return err
		}})
		h, err := l.TryAcquire(bg)
		remove()
		must(t, err)
		must(t, h.Release())
	}
}

func TestLongNamesHaveSoftLocks(t *testing.T) {
	for _, name := range []string{
		strings.Repeat("n", 100), strings.Repeat("n", 101), strings.Repeat("n", 255),
		strings.Repeat("ü", 120), strings.Repeat("日", 85), "n" + strings.Repeat("日", 80),
	} {
		path := filepath.Join(t.TempDir(), name)
		must(t, filelock.NewSoft(path).Do(bg, func(context.Context) error { return nil }))
	}
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 256))
	if _, err := filelock.NewSoft(path).TryAcquire(bg); err == nil || errors.Is(err, filelock.ErrLocked) {
		t.Errorf("a name that is too long: %v", err)
	}
}

// TestBreakerLeavesNoClaim has the process killed between making the marker and
// removing the claim that it is made of.
func TestBreakerLeavesNoClaim(t *testing.T) {
	path := lockPath(t)
	leaveStale(t, path)
	content, err := os.ReadFile(path)
	must(t, err)
	m, err := record.ParseMarker(content)
	must(t, err)
	claim := fmt.Sprintf("%s.%016x.claim", path, m.Nonce)
	must(t, os.Link(path, claim))
	must(t, filelock.NewSoft(path).Do(bg, func(context.Context) error { return nil }))
	if _, err := os.Lstat(claim); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the claim is still there: %v", err)
	}
}

// TestStrangersFlockDelaysTheRelease has a stranger lock the marker itself.
func TestStrangersFlockDelaysTheRelease(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.NewSoft(path).Acquire(bg)
	must(t, err)
	p := flockKind.Elsewhere(t, path)
	err = h.Release()
	if err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("with a stranger at the marker: %v", err)
	}
	p.Say("release")
	p.Expect("done")
	must(t, h.Release())
}

func TestReleaseAfterChdir(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Chdir(first)
	for _, l := range []filelock.Locker{filelock.NewSoft("x.lock"), filelock.New("y.lock", filelock.WithRemove())} {
		must(t, os.Chdir(first))
		h, err := l.Acquire(bg)
		must(t, err)
		must(t, os.Chdir(second))
		must(t, h.Release())
		filelock.CloseKept()
		if left, err := filepath.Glob(filepath.Join(first, "*")); err != nil || len(left) > 0 {
			t.Errorf("%T: left behind: %v, %v", l, left, err)
		}
	}
}

// TestReleaseAfterTheDirectoryIsGone: what is certainly lost can be released.
func TestReleaseAfterTheDirectoryIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o777))
	h, err := filelock.NewSoft(filepath.Join(dir, "x.lock")).Acquire(bg)
	must(t, err)
	must(t, os.Rename(dir, dir+"2"))
	must(t, os.WriteFile(dir, nil, 0o666))
	want(t, h.Release(), filelock.ErrLost)
	want(t, h.Release(), filelock.ErrNotHeld)
}

// takenAwayAtUnlink returns a plan that has somebody rename the marker away
// between the last look at it and its removal.
func takenAwayAtUnlink(path string) *fault.Plan {
	done := false
	return &fault.Plan{Before: func(op fault.Op, p string) error {
		if op != fault.Unlink || p != path || done {
			return nil
		}
		done = true
		return os.Rename(path, path+".break.1")
	}}
}

func TestStaleMarkerTakenAwayByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be renamed on Windows")
	}
	path := lockPath(t)
	leaveStale(t, path)
	defer fault.Install(takenAwayAtUnlink(path))()
	must(t, filelock.NewSoft(path).Do(bg, func(context.Context) error { return nil }))
}

func TestOwnMarkerTakenAwayByOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be renamed on Windows")
	}
	path := lockPath(t)
	l := filelock.NewSoft(path)
	h, err := l.Acquire(bg)
	must(t, err)
	defer fault.Install(takenAwayAtUnlink(path))()
	want(t, h.Release(), filelock.ErrLost)
	if l.Held() {
		t.Error("the lock is still held")
	}
}

// TestMarkerThatMayBeOurs: a server has made it and says that it was there, and
// the look at it fails.
func TestMarkerThatMayBeOurs(t *testing.T) {
	path := lockPath(t)
	failure := errors.New("no answer")
	linked, failed := false, false
	remove := fault.Install(&fault.Plan{
		Before: func(op fault.Op, p string) error {
			if op == fault.Lstat && p == path && linked && !failed {
				failed = true
				return failure
			}
			return nil
		},
		After: func(op fault.Op, _ string, err error) error {
			if op == fault.Link && err == nil {
				linked = true
				return fs.ErrExist
			}
			return err
		},
	})
	_, err := filelock.NewSoft(path).TryAcquire(bg)
	remove()
	want(t, err, failure)
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
