package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

// TestLaw11FailureOfAnyOperationRollsEverythingBack covers law 18 too: a release
// that failed is reported, and can be repeated.
func TestLaw11FailureOfAnyOperationRollsEverythingBack(t *testing.T) {
	const ended = "ended"
	plain := quick
	plain.NoRenewal = true
	total := 0
	for name, config := range map[string]lease.Config{"free": quick, ended: quick, "fenced": fenced, "plain": plain} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				var reached fault.Op
				t.Run(fmt.Sprintf("%s/%d/%v", name, n, after), func(t *testing.T) {
					path := lockPath(t)
					if name == ended {
						leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
					}
					var err error
					reached, err = failNth(t, lease.New(path, config), n, after)
					// Nobody minds if the reply is lost that a name is given or
					// taken away, or if the claim of a lock that was broken
					// cannot be removed.
					harmless := after && (reached == fault.Link || reached == fault.Unlink) || name == ended
					if reached == "" && err != nil || reached != "" && !errors.Is(err, syscall.EIO) && !(harmless && err == nil) {
						t.Errorf("%q failed, but the error is %v", reached, err)
					}
					for _, left := range files(t, path) {
						if left != "x.lock.token" && !strings.Contains(left, "another.example") {
							t.Errorf("%s failed, and %s is left", reached, left)
						}
					}
					if content, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) && !strings.Contains(string(content), "another.example") {
						t.Errorf("%s failed, and the lock is left: %q, %v", reached, content, err)
					}
				})
				if reached == "" {
					break
				}
				total++
			}
		}
	}
	t.Logf("%d failures of an operation", total)
}

// canFailAfter holds the operations that can be done and yet reported as failed,
// as by a server whose reply is lost.
var canFailAfter = map[fault.Op]bool{
	fault.Lock: true, fault.Unlock: true, fault.Write: true, fault.Link: true, fault.Unlink: true, fault.Times: true, fault.Sync: true,
}

// failNth takes and gives back the lock while the nth operation fails, and
// returns which one that was and what came of it.
func failNth(t *testing.T, l *lease.Lock, n int, after bool) (reached fault.Op, err error) {
	var mu sync.Mutex
	count := 0
	fail := func(op fault.Op, applies bool) error {
		mu.Lock()
		defer mu.Unlock()
		if !applies {
			return nil
		}
		if count++; count != n {
			return nil
		}
		reached = op
		return syscall.EIO
	}
	before := descriptors(t)
	remove := fault.Install(&fault.Plan{
		Before: func(op fault.Op, _ string) error { return fail(op, !after && op != fault.Close) },
		After: func(op fault.Op, _ string, err error) error {
			if err != nil {
				return err
			}
			return fail(op, op == fault.Close || after && canFailAfter[op])
		},
	})
	h, err := l.TryAcquire(bg)
	if err == nil {
		err = h.Release()
	}
	remove()
	if h != nil && err != nil {
		again := h.Release()
		if again != nil && !errors.Is(again, filelock.ErrLost) && !errors.Is(again, filelock.ErrNotHeld) {
			t.Errorf("%s failed, and then %v", reached, again)
		}
	}
	if l.Held() {
		t.Errorf("%s failed, and it is still held", reached)
	}
	must(t, filelock.ReleaseAll()) // what is owed
	if now := descriptors(t); now > before {
		t.Errorf("%s failed: %d descriptors, %d before", reached, now, before)
	}
	return reached, err
}

// descriptors counts the open files of this process, but for the inotify
// instance, which lingers.
func descriptors(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to != "anon_inode:inotify" {
			n++
		}
	}
	return n
}

// TestLaw09ClaimIsLookedAtAgain has the lock removed at once after it was made,
// and then between the token and the first renewal.
func TestLaw09ClaimIsLookedAtAgain(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, fenced)
	once := true
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Link && once {
			once = false
			must(t, os.Remove(path))
		}
		return err
	}})
	h, err := l.TryAcquire(bg)
	remove()
	must(t, err)
	must(t, h.Release())

	// A process that is stopped for long: meanwhile another has had a token.
	var other *testproc.Proc
	remove = fault.Install(&fault.Plan{Before: func(op fault.Op, name string) error {
		if op == fault.Sync && other == nil {
			must(t, age(path))
			other = kind.Elsewhere(t, path)
		}
		return nil
	}})
	h, err = l.TryAcquire(bg)
	remove()
	want(t, err, filelock.ErrLocked)
	if h != nil || l.Held() {
		t.Error("it is held")
	}
	other.Say("release")
	other.Expect("done")
	if left := files(t, path); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
}

// TestNameOfTheTokensIsStoredFirst: without it a power failure would have them
// begin again.
func TestNameOfTheTokensIsStoredFirst(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, fenced)
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, name string) error {
		if op == fault.Open && filepath.Clean(name) == filepath.Dir(path) {
			return syscall.EIO
		}
		return nil
	}})
	_, err := l.TryAcquire(bg)
	remove()
	if !errors.Is(err, syscall.EIO) {
		t.Fatal("a token was given before its file's name was stored:", err)
	}
	if content, err := os.ReadFile(path + ".token"); err != nil || len(content) > 0 {
		t.Errorf("a token is there already: %q, %v", content, err)
	}
	h := acquire(t, l)
	if h.Token() != 1 {
		t.Errorf("the first token is %d", h.Token())
	}
	must(t, h.Release())
}

// TestTokenIsStoredBeforeItIsGiven: without it a power failure would have it given
// again.
func TestTokenIsStoredBeforeItIsGiven(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, fenced)
	must(t, acquire(t, l).Release()) // the file's name is stored once
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Sync {
			return syscall.EIO
		}
		return nil
	}})
	_, err := l.TryAcquire(bg)
	remove()
	want(t, err, syscall.EIO)
	h := acquire(t, l)
	if h.Token() < 2 {
		t.Errorf("the token is %d", h.Token())
	}
	must(t, h.Release())
}

// TestLaw20TokenThatIsBeingTakenIsContention: whoever takes one can be stopped for
// so long that its lease ends.
func TestLaw20TokenThatIsBeingTakenIsContention(t *testing.T) {
	path := lockPath(t)
	f, err := os.Create(path + ".token")
	must(t, err)
	defer f.Close()
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	l := lease.New(path, fenced)
	if _, err := l.TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
		t.Error(err)
	}
	if _, err := l.Acquire(bg, filelock.WithTimeout(1500*time.Millisecond)); !errors.Is(err, filelock.ErrTimeout) {
		t.Error(err)
	}
	if left := files(t, path); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
	must(t, acquire(t, l).Release())
}

// TestLeaseNeedsNoFlock, but for tokens.
func TestLeaseNeedsNoFlock(t *testing.T) {
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lock {
			return syscall.ENOLCK
		}
		return nil
	}})()
	path := lockPath(t)
	leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
	l := lease.New(path, quick)
	h := acquire(t, l)
	must(t, l.Refresh(h.Context(), 0))
	must(t, h.Release())
	nothingIsLeft(t, path)
	_, err := lease.New(path, fenced).Acquire(bg)
	want(t, err, filelock.ErrUnsupported)
	if left := files(t, path); len(left) != 1 { // the token's file
		t.Errorf("%q are left", left)
	}
}

// TestLaw24TrapsAreNotFollowed has what a stranger could put in the lock's place.
func TestLaw24TrapsAreNotFollowed(t *testing.T) {
	for name, set := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"directory": func(path string) error { return os.Mkdir(path, 0o777) },
		"token":     func(path string) error { return os.Symlink("/etc/passwd", path+".token") },
	} {
		path := lockPath(t)
		must(t, set(path))
		l := lease.New(path, fenced)
		ctx, cancel := context.WithTimeout(bg, 10*time.Second)
		_, err := l.Acquire(ctx)
		cancel()
		if err == nil || errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "token" {
			want(t, err, fs.ErrInvalid)
			if _, err := l.State(bg); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: the state is told: %v", name, err)
			}
			if left := files(t, path); len(left) > 0 {
				t.Errorf("%s: %q are left", name, left)
			}
		}
	}
}
