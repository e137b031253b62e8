package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/marker"
)

// markers are our locks that meet lockfile's.
var markers = map[string]func(path string, c marker.Config, opts ...filelock.Option) *marker.Lock{
	"link": marker.NewLink, "mkdir": marker.NewMkdir, "symlink": marker.NewSymlink, "pid": marker.NewPID,
}

// lockfiles are the peers that meet them.
func lockfiles() []peer {
	return slices.DeleteFunc(slices.Clone(all), func(p peer) bool { return markers[p.kind] == nil })
}

func newMarker(kind, path string, opts ...filelock.Option) *marker.Lock {
	return markers[kind](path, marker.Config{}, opts...)
}

// left returns the names beside the lock at path.
func left(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestMarkersOfAllKindsCountTogether has all kinds that stand at one path count
// to the same end, theirs and ours.
func TestMarkersOfAllKindsCountTogether(t *testing.T) {
	const each = 20
	dir := t.TempDir()
	path, counter := filepath.Join(dir, "x"), filepath.Join(dir, "counter")
	must(t, os.WriteFile(counter, []byte("0"), 0o666))
	var procs []*testproc.Proc
	for _, p := range lockfiles() {
		if p.kind != "pid" { // which is at another path, and would refuse a directory there
			procs = append(procs, p.start(t, path, false), testproc.Start(t, "ours", p.kind, path))
		}
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
	if names := left(t, path); len(names) != 1 {
		t.Errorf("%q are left", names)
	}
}

// TestLockfilesHolderIsNamedIfItCanBe accepts that a positive hash in a name
// cannot be told from the process id before it.
func TestLockfilesHolderIsNamedIfItCanBe(t *testing.T) {
	for _, p := range lockfiles() {
		path := filepath.Join(t.TempDir(), "x")
		proc := p.start(t, path, false)
		do(t, proc, "acquire", "done")
		s, err := newMarker(p.kind, path).Inspect(context.Background())
		must(t, err)
		if !s.Held || s.Stale || len(s.Holders) != 1 {
			t.Fatalf("%s: %+v", p.name, s)
		}
		host, err := os.Hostname()
		must(t, err)
		h := s.Holders[0]
		if h.PID != proc.PID() && (h.PID != 0 || p.kind == "pid") {
			t.Errorf("%s: process %d has it, but the holder is %+v", p.name, proc.PID(), h)
		}
		if h.Host != host && p.kind != "pid" {
			t.Errorf("%s: the host is %q", p.name, h.Host)
		}
		do(t, proc, "release", "done")
	}
}

// TestKilledMarkersAreBrokenFromEitherSide kills holders of ours and of theirs,
// while ours and theirs wait, and has ours or theirs break the lock.
func TestKilledMarkersAreBrokenFromEitherSide(t *testing.T) {
	ctx := context.Background()
	rounds := max(1, locktest.Kills(t, 40)/(4*len(lockfiles())))
	for _, p := range lockfiles() {
		holders := map[string]func(path string) *testproc.Proc{
			"theirs": func(path string) *testproc.Proc { return p.start(t, path, false) },
			"ours":   func(path string) *testproc.Proc { return testproc.Start(t, "ours", p.kind, path) },
		}
		for who, hold := range holders {
			for _, breaker := range []string{"theirs", "ours"} {
				t.Run(fmt.Sprintf("%s/%s killed/%s break", p.name, who, breaker), func(t *testing.T) {
					path := filepath.Join(t.TempDir(), "x")
					theirs, waiter := p.start(t, path, false), p.start(t, path, false)
					for range rounds {
						holder := hold(path)
						do(t, holder, "acquire", "done")
						waiter.Say("acquire")
						got := make(chan error, 1)
						waiting := make(chan struct{})
						l := newMarker(p.kind, path, filelock.WithLogger(locktest.WhenWaiting(waiting)))
						go func() { got <- l.Do(ctx, func(context.Context) error { return nil }) }()
						<-waiting
						s, err := l.Inspect(ctx)
						must(t, err)
						holder.Kill()
						if breaker == "ours" {
							must(t, l.Break(ctx, s))
						} else {
							do(t, theirs, "break", "done")
						}
						waiter.Expect("done")
						do(t, waiter, "release", "done")
						must(t, <-got)
					}
					// A link's unique file is removed by ours, and not by theirs.
					if names := left(t, path); len(names) > 0 && (breaker == "ours" || p.kind != "link" || len(names) != rounds) {
						t.Errorf("%d kills leave %q", rounds, names)
					}
				})
			}
		}
	}
}

// TestTheirBrokenHolderSparesOurs breaks the lock of a holder of theirs who
// lives, and has it release then.
func TestTheirBrokenHolderSparesOurs(t *testing.T) {
	ctx := context.Background()
	for _, p := range lockfiles() {
		path := filepath.Join(t.TempDir(), "x")
		proc := p.start(t, path, false)
		do(t, proc, "acquire", "done")
		l := newMarker(p.kind, path)
		s, err := l.Inspect(ctx)
		must(t, err)
		must(t, l.Break(ctx, s))
		h, err := l.TryAcquire(ctx)
		must(t, err)
		do(t, proc, "release", "busy") // NotMyLock
		do(t, proc, "try", "busy")
		must(t, h.Release())
		do(t, proc, "try", "done")
		if err := l.Break(ctx, s); !errors.Is(err, filelock.ErrLost) {
			t.Errorf("%s: an old state breaks a new hold: %v", p.name, err)
		}
		if err := l.ForceRelease(ctx); !errors.Is(err, filelock.ErrNotOwner) {
			t.Errorf("%s: ForceRelease: %v", p.name, err)
		}
		do(t, proc, "release", "done")
	}
}

// TestOurBrokenHolderIsToldAndSparesTheirs has them break a lock of ours.
func TestOurBrokenHolderIsToldAndSparesTheirs(t *testing.T) {
	ctx := context.Background()
	for _, p := range lockfiles() {
		path := filepath.Join(t.TempDir(), "x")
		proc := p.start(t, path, false)
		h, err := newMarker(p.kind, path).Acquire(ctx)
		must(t, err)
		do(t, proc, "break", "done")
		do(t, proc, "acquire", "done")
		<-h.Lost()
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			t.Errorf("%s: %v", p.name, err)
		}
		_, err = newMarker(p.kind, path).TryAcquire(ctx)
		if !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: their marker is gone: %v", p.name, err)
		}
		do(t, proc, "release", "done")
		if names := left(t, path); len(names) > 0 {
			t.Errorf("%s: %q are left", p.name, names)
		}
	}
}
