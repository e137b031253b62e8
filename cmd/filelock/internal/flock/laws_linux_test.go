package flock

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

// open opens the file at path, as somebody else than others who do.
func open(t *testing.T, path string) int {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// TestLaw17DescriptorIsHeldIfAndOnlyIfTheWaitSaysSo has the lock come free
// about when the time is over: the descriptor is the caller's, and what is held
// by it outlives the program.
func TestLaw17DescriptorIsHeldIfAndOnlyIfTheWaitSaysSo(t *testing.T) {
	if err := interruptible(unix.SIGALRM); err != nil {
		t.Fatalf("no wait would be in the kernel: %v", err)
	}
	for _, c := range []struct {
		name    string
		records bool
		wait    func(s *settings, fd int, deadline time.Time) error
	}{
		{"flock", false, (*settings).acquireUntil},
		{"fcntl", true, (*settings).acquireUntil},
		{"polling", false, (*settings).pollUntil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			holder, waiter, other := open(t, path), open(t, path), open(t, path)
			lock := settings{how: unix.LOCK_EX, records: c.records}
			unlock := settings{how: unix.LOCK_UN, records: c.records}
			granted, over := 0, 0
			for rounds := 0; granted < 200 || over < 200; rounds++ {
				if rounds == 20000 {
					t.Fatalf("%d granted, %d over", granted, over)
				}
				if err := lock.call(holder, true); err != nil {
					t.Fatal(err)
				}
				released := make(chan error)
				go func() {
					time.Sleep(rand.N(2 * time.Millisecond))
					released <- unlock.call(holder, true)
				}()
				runtime.LockOSThread()
				err := c.wait(&lock, waiter, time.Now().Add(time.Millisecond))
				runtime.UnlockOSThread()
				if err := <-released; err != nil {
					t.Fatal(err)
				}
				held := errors.Is(lock.call(other, true), unix.EWOULDBLOCK)
				switch {
				case err == nil && held:
					granted++
				case err == unix.EINTR && !held:
					over++
				default:
					t.Fatalf("the wait ends with %v, and the lock is held: %v", err, held)
				}
				for _, fd := range []int{waiter, other} {
					if err := unlock.call(fd, true); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Logf("%d granted, %d over", granted, over)
		})
	}
}
