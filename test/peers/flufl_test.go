package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

var ctx = context.Background()

// ask returns what the peer answers.
func ask(p *testproc.Proc, command string) string {
	p.Say(command)
	return p.Line()
}

// expire has the lease of the lock at path end long ago.
func expire(t *testing.T, path string) {
	t.Helper()
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, long, long))
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "x.lock") }

func beside(t *testing.T, path string) (claims []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		if strings.ContainsAny(e.Name(), "|+") {
			claims = append(claims, e.Name())
		}
	}
	return claims
}

// TestFluflCountsWithUs, the peer with hardly a pause.
func TestFluflCountsWithUs(t *testing.T) {
	const each = 50
	path := newPath(t)
	counter := filepath.Join(filepath.Dir(path), "counter")
	must(t, os.WriteFile(counter, []byte("0"), 0o666))
	var procs []*testproc.Proc
	for range 2 {
		procs = append(procs, startPython("flufl eager")(t, path, false), testproc.Start(t, "ours", "lease", path))
	}
	for _, p := range procs {
		p.Say(fmt.Sprintf("count %s %d", counter, each))
	}
	for _, p := range procs {
		p.Expect("done")
	}
	if got, err := os.ReadFile(counter); err != nil || string(got) != strconv.Itoa(each*len(procs)) {
		t.Errorf("%d processes counted to %s, %v", len(procs), got, err)
	}
	if left := beside(t, path); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// TestFluflAndWeReadEachOther compares details, state and expiration.
func TestFluflAndWeReadEachOther(t *testing.T) {
	path := newPath(t)
	peer := startPython("flufl")(t, path, false)
	l := lease.New(path, lease.Config{NoRenewal: true})
	host, err := l.Host(ctx)
	must(t, err)
	agree := func(command, want string) {
		t.Helper()
		if got := ask(peer, command); got != want {
			t.Errorf("%s: it says %q, want %q", command, got, want)
		}
	}
	state := func(want lease.State) {
		t.Helper()
		if s, err := l.State(ctx); s != want || err != nil {
			t.Errorf("the state is %v, %v; want %v", s, err, want)
		}
	}
	ends := func() string {
		t.Helper()
		at, err := l.Expiration(ctx)
		must(t, err)
		return strconv.FormatInt(at.Unix(), 10)
	}
	agree("hostname", host)
	agree("lifetime", "0:00:30")

	// Nobody has it.
	agree("state", "LockState.unlocked")
	agree("details", "not locked")
	state(lease.Unlocked)

	// It is ours.
	h, err := l.Acquire(ctx)
	must(t, err)
	agree("details", fmt.Sprintf("%s %d %s", host, os.Getpid(), path))
	agree("state", "LockState.unknown")
	agree("expiration", ends())
	agree("is_locked", "False")
	before := ends()
	must(t, l.Refresh(h.Context(), time.Hour))
	if ends() == before {
		t.Error("it was not refreshed")
	}
	agree("expiration", ends())
	expire(t, path)
	agree("state", "LockState.theirs_expired")
	state(lease.OursExpired)
	must(t, h.Release())
	agree("state", "LockState.unlocked")

	// It is theirs.
	do(t, peer, "acquire", "done")
	d, err := l.Details(ctx)
	if err != nil || d.Host != host || d.PID != peer.PID() || d.LockFile != path {
		t.Errorf("%+v, %v", d, err)
	}
	state(lease.Unknown)
	agree("state", "LockState.ours")
	agree("expiration", ends())
	before = ends()
	agree("refresh 3600", "None")
	if ends() == before {
		t.Error("it was not refreshed")
	}
	agree("expiration", ends())
	s, err := l.Inspect(ctx)
	if err != nil || len(s.Holders) != 1 || s.Holders[0].PID != peer.PID() || s.Holders[0].Command == "" {
		t.Errorf("%+v, %v", s, err)
	}
	expire(t, path)
	agree("state", "LockState.ours_expired")
	state(lease.TheirsExpired)
	peer.Kill()
	state(lease.Stale)
}

// TestFluflThatIsKilledIsBrokenInTime, and not before, and so is one of ours.
func TestFluflThatIsKilledIsBrokenInTime(t *testing.T) {
	kills := locktest.Kills(t, 60) / 10
	path := newPath(t)
	l := lease.New(path, lease.Config{})
	for range kills {
		peer := startPython("flufl eager")(t, path, false)
		do(t, peer, "acquire", "done")
		peer.Kill()
		_, err := l.TryAcquire(ctx)
		if !errors.Is(err, filelock.ErrLocked) {
			t.Fatalf("the lease of a dead process goes on, but %v", err)
		}
		expire(t, path)
		h, err := l.TryAcquire(ctx)
		must(t, err)
		must(t, h.Release())

		own := testproc.Start(t, "ours", "lease", path)
		do(t, own, "acquire", "done")
		own.Kill()
		peer = startPython("flufl eager")(t, path, false)
		do(t, peer, "try", "busy")
		expire(t, path)
		do(t, peer, "acquire", "done")
		do(t, peer, "release", "done")
		if left := beside(t, path); len(left) > 0 {
			t.Errorf("%q are left", left)
		}
	}
	t.Logf("%d kills of each", kills)
}

// TestFluflLosesALeaseThatHasEnded to us, and does our hold no harm.
func TestFluflLosesALeaseThatHasEnded(t *testing.T) {
	path := newPath(t)
	peer := startPython("flufl")(t, path, false)
	do(t, peer, "acquire", "done")
	expire(t, path)
	h, err := lease.New(path, lease.Config{}).TryAcquire(ctx)
	must(t, err)
	if got := ask(peer, "refresh 5"); got != "not locked" {
		t.Errorf("refresh: %q", got)
	}
	if got := ask(peer, "unlock"); got != "not locked" {
		t.Errorf("unlock: %q", got)
	}
	if got := ask(peer, "details"); !strings.Contains(got, strconv.Itoa(os.Getpid())) {
		t.Errorf("details: %q", got)
	}
	must(t, h.Release())
}

func TestWeLoseALeaseThatHasEnded(t *testing.T) {
	path := newPath(t)
	l := lease.New(path, lease.Config{NoRenewal: true})
	h, err := l.Acquire(ctx)
	must(t, err)
	expire(t, path)
	peer := startPython("flufl eager")(t, path, false)
	do(t, peer, "acquire", "done")
	<-h.Lost()
	if err := l.Refresh(h.Context(), 0); !errors.Is(err, filelock.ErrLost) {
		t.Errorf("Refresh: %v", err)
	}
	if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
		t.Errorf("Release: %v", err)
	}
	if got := ask(peer, "is_locked"); got != "True" {
		t.Errorf("is_locked: %q", got)
	}
	do(t, peer, "release", "done")
}

// TestRenewalKeepsFluflOut for several lifetimes, though it leaves no time for
// clocks to differ.
func TestRenewalKeepsFluflOut(t *testing.T) {
	path := newPath(t)
	l := lease.New(path, lease.Config{Lifetime: time.Second})
	h, err := l.Acquire(ctx)
	must(t, err)
	peer := startPython("flufl eager")(t, path, false)
	peer.Say("acquire")
	first, err := l.Expiration(ctx)
	must(t, err)
	for at := first; at.Sub(first) < 3*time.Second; {
		must(t, h.Context().Err())
		if at, err = l.Expiration(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(t, h.Release())
	peer.Expect("done")
}

func TestFluflsSeparatorCanBeChanged(t *testing.T) {
	path := newPath(t)
	peer := startPython("flufl +")(t, path, false)
	l := lease.New(path, lease.Config{Separator: '+'})
	do(t, peer, "acquire", "done")
	d, err := l.Details(ctx)
	if err != nil || d.PID != peer.PID() || d.LockFile != path {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = l.TryAcquire(ctx)
	if !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("TryAcquire: %v", err)
	}
	// Who uses another one cannot read it, and so never breaks it.
	expire(t, path)
	_, err = lease.New(path, lease.Config{}).TryAcquire(ctx)
	if !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("TryAcquire with another separator: %v", err)
	}
	h, err := l.TryAcquire(ctx)
	must(t, err)
	if got := ask(peer, "details"); !strings.Contains(got, fmt.Sprintf(" %d %s", os.Getpid(), path)) {
		t.Errorf("details: %q", got)
	}
	must(t, h.Release())
}
