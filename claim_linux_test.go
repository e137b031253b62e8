package filelock_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
)

// used returns a soft lock that has been taken and given back so often that its
// claim is kept, and the claim's path.
func used(t *testing.T) (l *filelock.SoftFileLock, claim string) {
	t.Helper()
	t.Cleanup(filelock.KeepLong())
	path := lockPath(t)
	l = filelock.NewSoft(path)
	for range 2 {
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
	claim = path + ".0000000000000000.claim"
	if _, err := os.Lstat(claim); err != nil {
		t.Fatal("no claim is kept:", err)
	}
	return l, claim
}

func number(t *testing.T, path string) sys.ID {
	t.Helper()
	info, err := sys.Lstat(path)
	must(t, err)
	return info.ID
}

// TestLaw07LaterHoldOfTheSameFileIsSpared has a hold inspected and the next one
// made of the same file.
func TestLaw07LaterHoldOfTheSameFileIsSpared(t *testing.T) {
	l, claim := used(t)
	first, err := l.Acquire(bg)
	must(t, err)
	before := number(t, l.Path())
	seen, err := l.Inspect(bg)
	must(t, err)
	must(t, first.Release())
	second, err := l.Acquire(bg)
	must(t, err)
	if now := number(t, l.Path()); now != before || now != number(t, claim) {
		t.Fatalf("the marker is %v, and was %v: it is not made of the claim", now, before)
	}
	want(t, l.Break(bg, seen), filelock.ErrLost)
	must(t, second.Release())
}

// TestClaimThatIsGoneIsMadeAnew: people tidy up.
func TestClaimThatIsGoneIsMadeAnew(t *testing.T) {
	l, claim := used(t)
	must(t, os.Remove(claim))
	must(t, l.Do(bg, func(context.Context) error { return nil }))
	h, err := l.Acquire(bg)
	must(t, err)
	must(t, os.Remove(claim)) // and while the lock is held
	must(t, h.Release())
	must(t, l.Do(bg, func(context.Context) error { return nil }))
}

// TestClaimThatIsReplacedIsNotBelieved has a stranger put something else in the
// claim's place.
func TestClaimThatIsReplacedIsNotBelieved(t *testing.T) {
	for what, plant := range map[string]func(claim, precious string) error{
		"file":    func(claim, _ string) error { return os.WriteFile(claim, []byte("1\nelsewhere\n"), 0o666) },
		"symlink": func(claim, precious string) error { return os.Symlink(precious, claim) },
	} {
		l, claim := used(t)
		precious := filepath.Join(t.TempDir(), "precious")
		write(t, precious, "precious")
		must(t, os.Remove(claim))
		must(t, plant(claim, precious))
		wantOwnMarker(t, l)
		if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
			t.Errorf("%s: the target is now %q, %v", what, b, err)
		}
	}
}

// TestClaimIsNotTakenFromTheLiving has a stranger's claim stay where it is.
func TestClaimIsNotTakenFromTheLiving(t *testing.T) {
	path := lockPath(t)
	claim := path + ".0000000000000000.claim"
	write(t, claim, "1\nelsewhere\n")
	l := filelock.NewSoft(path)
	for range 3 {
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
	if b, err := os.ReadFile(claim); err != nil || string(b) != "1\nelsewhere\n" {
		t.Errorf("it is now %q, %v", b, err)
	}
}

func TestClaimGoesInAWhile(t *testing.T) {
	path := lockPath(t)
	l := filelock.NewSoft(path)
	claim := path + ".0000000000000000.claim"
	end := time.Now().Add(30 * time.Second)
	for there := false; !there; { // it goes by itself if this is slow
		must(t, l.Do(bg, func(context.Context) error { return nil }))
		_, err := os.Lstat(claim)
		if there = err == nil; time.Now().After(end) {
			t.Fatal("no claim is kept:", err)
		}
	}
	for ; ; time.Sleep(time.Millisecond) {
		if _, err := os.Lstat(claim); errors.Is(err, fs.ErrNotExist) {
			return
		} else if err != nil || time.Now().After(end) {
			t.Fatalf("the claim stays: %v", err)
		}
	}
}

// TestReleaseAllLeavesNoClaim is for handlers that call os.Exit next.
func TestReleaseAllLeavesNoClaim(t *testing.T) {
	_, claim := used(t)
	must(t, filelock.ReleaseAll())
	if _, err := os.Lstat(claim); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the claim stays: %v", err)
	}
}

// wantOwnMarker takes l, whose marker has to say so.
func wantOwnMarker(t *testing.T, l *filelock.SoftFileLock) {
	t.Helper()
	must(t, l.Do(bg, func(context.Context) error {
		s, err := l.Inspect(bg)
		if err == nil && (len(s.Holders) != 1 || s.Holders[0].PID != os.Getpid()) {
			t.Errorf("the holders are %v", s.Holders)
		}
		return err
	}, filelock.NonBlocking()))
}

// TestClaimThatHasGrownIsMadeAnew: a marker with more in it than what this
// process has written would be nobody's.
func TestClaimThatHasGrownIsMadeAnew(t *testing.T) {
	l, claim := used(t)
	f, err := os.OpenFile(claim, os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	_, err = f.WriteString("more")
	must(t, errors.Join(err, f.Close()))
	wantOwnMarker(t, l)
}

// TestClaimOfADirectoryThatComesBackMakesNoMarker leaves one where nobody keeps it
// any more, and brings it back to where another one is kept.
func TestClaimOfADirectoryThatComesBackMakesNoMarker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	l := filelock.NewSoft(filepath.Join(dir, "x.lock"))
	for range 100 { // it takes a moment until the directory is looked up again
		must(t, os.Mkdir(dir, 0o777))
		for range 3 {
			wantOwnMarker(t, l)
		}
		must(t, os.Rename(dir, dir+"2"))
		must(t, os.Mkdir(dir, 0o777))
		for range 3 {
			wantOwnMarker(t, l)
		}
		must(t, os.RemoveAll(dir))
		must(t, os.Rename(dir+"2", dir))
		for range 3 {
			wantOwnMarker(t, l)
		}
		must(t, os.RemoveAll(dir))
	}
}

// TestMarkerMadeOfAnothersClaimGoes has somebody tidy up a claim just before a
// marker is made of it, and another process put its own there. The marker says
// that the other process has the lock, which knows nothing of it.
func TestMarkerMadeOfAnothersClaimGoes(t *testing.T) {
	l, claim := used(t)
	other := softKind.Elsewhere(t, l.Path())
	say := func(line string) {
		other.Say(line)
		other.Expect("done")
	}
	say("release")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		say("acquire")
		say("release")
		os.Remove(claim) // the other one's, if it had the time for it
		for range 2 {
			must(t, l.Do(bg, nothing))
		}
		remove := fault.Install(atFirstLink(l.Path(), func() {
			os.Remove(claim)
			say("acquire")
			say("release")
		}))
		h, err := l.TryAcquire(bg)
		remove()
		if err != nil {
			want(t, err, filelock.ErrLocked)
			h, err = l.Acquire(bg, filelock.WithTimeout(10*time.Second))
			must(t, err)
			must(t, h.Release())
			return
		}
		must(t, h.Release()) // some of it took long
	}
	t.Fatal("it is never made of another's")
}

// atFirstLink calls do before path is made.
func atFirstLink(path string, do func()) *fault.Plan {
	var once sync.Once
	return &fault.Plan{Before: func(op fault.Op, at string) error {
		if op == fault.Link && at == path {
			once.Do(do)
		}
		return nil
	}}
}
