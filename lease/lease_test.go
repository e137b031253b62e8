package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lease"
)

// quick is what the tests use so that they need not wait for long.
var quick = lease.Config{Lifetime: 2 * time.Second, Slop: 200 * time.Millisecond}

var kind = locktest.Kind{
	Name: "lease",
	New: func(path string, opts ...filelock.FileOption) locktest.Lock {
		return lease.New(path, quick, locktest.Options(opts)...)
	},
	CanBreak: true,
	Inspects: true,
	Bare:     true,
}

// roles are those that the tests start processes in; other files add theirs.
var roles = locktest.Roles(kind)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

func TestLeaseContract(t *testing.T) {
	locktest.Run(t, kind)
	locktest.RunInChild(t, t.Name())
}

var bg = context.Background()

var must, want = verify.NoError, verify.Is

func lockPath(t testing.TB) string { return filepath.Join(t.TempDir(), "x.lock") }

func acquire(t testing.TB, l *lease.Lock, opts ...filelock.AcquireOption) *filelock.Hold {
	t.Helper()
	h, err := l.Acquire(bg, opts...)
	must(t, err)
	return h
}

// files lists what is beside the lock, without it.
func files(t testing.TB, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return names
}

func nothingIsLeft(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is left: %v", err)
	}
	if left := files(t, path); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// host is what leases call this machine.
func host(t testing.TB) string {
	t.Helper()
	name, err := lease.New("x", lease.Config{}).Host(bg)
	must(t, err)
	return name
}

// joined is a text with the usual separator of this system for '|'.
func joined(text string) string { return strings.ReplaceAll(text, "|", string(lease.Separator)) }

// leave makes a lock of somebody else, and returns the path of its claim.
func leave(t testing.TB, path, host string, pid int, ends time.Time) (claim string) {
	t.Helper()
	claim = fmt.Sprintf(joined("%s|%s|%d|%d"), path, host, pid, 12345)
	must(t, os.WriteFile(claim, []byte(claim), 0o666))
	must(t, os.Link(claim, path))
	must(t, os.Chtimes(path, ends, ends))
	return claim
}

func TestLockAndClaimAreAsTheProtocolSays(t *testing.T) {
	path := lockPath(t)
	before := time.Now()
	h := acquire(t, lease.New(path, lease.Config{Host: "host.example"}))
	content, err := os.ReadFile(path)
	must(t, err)
	start := fmt.Sprintf(joined("%s|host.example|%d|"), path, os.Getpid())
	if claim := string(content); !strings.HasPrefix(claim, start) || filepath.Base(claim) != files(t, path)[0] {
		t.Errorf("the lock says %q, beside it are %q", claim, files(t, path))
	}
	lock, err := os.Lstat(path)
	must(t, err)
	claim, err := os.Lstat(string(content))
	must(t, err)
	if !os.SameFile(lock, claim) {
		t.Error("the lock and the claim are two files")
	}
	ends := lock.ModTime()
	if ends.Before(before.Add(15*time.Second)) || ends.After(time.Now().Add(16*time.Second)) || ends.Nanosecond() != 0 {
		t.Errorf("from %v the lease lasts until %v", before, ends)
	}
	must(t, h.Release())
	nothingIsLeft(t, path)
}

// TestRelativePathStandsAsItIs, and keeps its meaning when the working directory
// changes.
func TestRelativePathStandsAsItIs(t *testing.T) {
	path := lockPath(t)
	t.Chdir(filepath.Dir(path))
	l := lease.New("x.lock", quick)
	h := acquire(t, l)
	d, err := l.Details(bg)
	if err != nil || d.LockFile != "x.lock" || d.PID != os.Getpid() || d.Host != host(t) || !strings.HasPrefix(d.Claim, joined("x.lock|")) {
		t.Errorf("%+v, %v", d, err)
	}
	t.Chdir(t.TempDir())
	must(t, h.Release())
	nothingIsLeft(t, path)
}

func TestMisuseIsNamedByTheFirstAcquisition(t *testing.T) {
	for text, l := range map[string]*lease.Lock{
		"less than a second":       lease.New("x", lease.Config{Lifetime: time.Millisecond}),
		"more than five years":     lease.New("x", lease.Config{Lifetime: 1<<63 - 1}),
		"-1s":                      lease.New("x", lease.Config{Lifetime: -time.Second}),
		"slop -1s":                 lease.New("x", lease.Config{Slop: -time.Second}),
		"'a' is a letter":          lease.New("x", lease.Config{Separator: 'a'}),
		"'7' is a letter or a dig": lease.New("x", lease.Config{Separator: '7'}),
		"'é' is a letter":          lease.New("x", lease.Config{Separator: 'é'}),
		"'/' is one of paths":      lease.New("x", lease.Config{Separator: '/'}),
		"be shown":                 lease.New("x", lease.Config{Separator: '\n'}),
		"'+' is in the path":       lease.New("a+b", lease.Config{Separator: '+'}),
		joined("'|' is in the p"):  lease.New(joined("a|b"), lease.Config{}),
		"'?' is in the path":       lease.New("a?b", lease.Config{Separator: '?'}),
		"'-' is in the host's":     lease.New("x", lease.Config{Separator: '-', Host: "a-b"}),
		"cannot be the host's":     lease.New("x", lease.Config{Host: "a/b"}),
		"no file":                  lease.New("", lease.Config{}),
		"NUL":                      lease.New("a\x00b", lease.Config{}),
		"of a directory":           lease.New("x/", lease.Config{}),
		"of a directory ":          lease.New("..", lease.Config{}),
	} {
		text = strings.TrimSpace(text)
		_, err := l.Acquire(bg)
		want(t, err, fs.ErrInvalid)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in %v", text, err)
		}
	}
}

func TestSeparatorCanBeChosen(t *testing.T) {
	path := lockPath(t)
	c := quick
	c.Separator = '+'
	l := lease.New(path, c)
	h := acquire(t, l)
	content, err := os.ReadFile(path)
	must(t, err)
	if strings.Count(string(content), "+") != 3 {
		t.Errorf("the lock says %q", content)
	}
	d, err := l.Details(bg)
	if err != nil || d.LockFile != path || d.PID != os.Getpid() {
		t.Errorf("%+v, %v", d, err)
	}
	// For whoever has another one it says nothing.
	_, err = lease.New(path, quick).Details(bg)
	want(t, err, filelock.ErrNotHeld)
	must(t, h.Release())
}

func TestRefreshKeepsItsLifetime(t *testing.T) {
	path := lockPath(t)
	c := quick
	c.NoRenewal = true
	l := lease.New(path, c)
	ends := func(after time.Time, d time.Duration) {
		t.Helper()
		at, err := l.Expiration(bg)
		if err != nil || at.Before(after.Add(d)) || at.After(time.Now().Add(d+time.Second)) {
			t.Errorf("%v after %v it ends at %v, %v", d, after, at, err)
		}
	}
	now := time.Now()
	h := acquire(t, l)
	ends(now, 2*time.Second)
	l.SetLifetime(time.Hour) // not before the next refresh
	must(t, l.Renew(h.Context(), 0))
	ends(now, 2*time.Second)
	must(t, l.Refresh(h.Context(), 0))
	ends(now, time.Hour)
	must(t, l.Refresh(h.Context(), time.Minute))
	ends(now, time.Minute)
	if l.Lifetime() != time.Minute {
		t.Errorf("the lifetime is %v", l.Lifetime())
	}
	must(t, l.Refresh(h.Context(), 0))
	ends(now, time.Minute)
	must(t, h.Release())
	h = acquire(t, l)
	ends(now, time.Minute)
	must(t, h.Release())
	h = acquire(t, l)
	for _, d := range []time.Duration{-1, time.Millisecond, 1<<63 - 1} {
		want(t, l.Refresh(h.Context(), d), fs.ErrInvalid)
		want(t, l.Renew(h.Context(), d), fs.ErrInvalid)
	}
	ends(now, time.Minute)
	must(t, l.Refresh(h.Context(), 0))
	must(t, h.Release())
	must(t, acquire(t, l).Release()) // with what it was
}

func TestRefreshIsForTheHolder(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, quick)
	want(t, l.Refresh(bg, 0), filelock.ErrNotHeld)
	must(t, l.RefreshIfHeld(bg, 0))
	must(t, l.ReleaseIfHeld(bg))
	nothingIsLeft(t, path)
	h := acquire(t, l)
	want(t, l.Refresh(bg, 0), filelock.ErrNotOwner)
	must(t, l.RefreshIfHeld(bg, 0))
	must(t, l.ReleaseIfHeld(bg))
	if !l.Held() {
		t.Error("somebody else has released it")
	}
	must(t, l.RefreshIfHeld(h.Context(), 0))
	must(t, l.ReleaseIfHeld(h.Context()))
	want(t, h.Release(), filelock.ErrNotHeld)
	nothingIsLeft(t, path)
}

// TestRefreshThroughAnotherObject is for the owner's hold all the same.
func TestRefreshThroughAnotherObject(t *testing.T) {
	path := lockPath(t)
	a, b := lease.New(path, quick), lease.New(path, quick)
	must(t, a.Do(bg, func(ctx context.Context) error {
		before, err := b.Expiration(bg)
		must(t, err)
		must(t, b.Refresh(ctx, time.Hour))
		after, err := a.Expiration(bg)
		if err != nil || after.Sub(before) < 50*time.Minute {
			t.Errorf("%v, then %v, %v", before, after, err)
		}
		return ctx.Err()
	}))
	nothingIsLeft(t, path)
}

// TestWithoutRenewalAHoldOutlivesItsLease as long as nobody else comes.
func TestWithoutRenewalAHoldOutlivesItsLease(t *testing.T) {
	path := lockPath(t)
	c := quick
	c.NoRenewal = true
	l := lease.New(path, c)
	long := time.Now().Add(-time.Hour)

	h := acquire(t, l)
	must(t, os.Chtimes(path, long, long))
	must(t, l.Refresh(h.Context(), 0))
	must(t, os.Chtimes(path, long, long))
	must(t, h.Release())
	nothingIsLeft(t, path)

	h = acquire(t, l)
	must(t, os.Chtimes(path, long, long))
	p := kind.Elsewhere(t, path) // breaks it
	want(t, l.Refresh(h.Context(), 0), filelock.ErrLost)
	<-h.Lost()
	want(t, h.Release(), filelock.ErrLost)
	must(t, l.RefreshIfHeld(h.Context(), 0))
	p.Say("release")
	p.Expect("done")
	nothingIsLeft(t, path)
}

func TestStringTellsWhatThereIs(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, quick)
	h := acquire(t, l)
	before, err := l.Expiration(bg)
	must(t, err)
	if s, want := l.String(), fmt.Sprintf("lease %s (ours, lifetime 2s, pid %d)", path, os.Getpid()); s != want {
		t.Errorf("%q, want %q", s, want)
	}
	if after, err := l.Expiration(bg); err != nil || after.Before(before) {
		t.Errorf("%v, %v", after, err)
	}
	must(t, h.Release())
	if s := l.String(); !strings.Contains(s, "unlocked") {
		t.Errorf("%q", s)
	}
	if s := lease.New("", quick).String(); !strings.Contains(s, "unreadable") {
		t.Errorf("%q", s)
	}
}

func TestTimeoutOfTheConstructor(t *testing.T) {
	path := lockPath(t)
	h := acquire(t, lease.New(path, quick))
	_, err := lease.New(path, quick, filelock.WithTimeout(10*time.Millisecond)).Acquire(bg)
	want(t, err, filelock.ErrTimeout)
	must(t, h.Release())
}
