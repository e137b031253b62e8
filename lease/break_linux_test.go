package lease_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

func init() { roles["breaking"] = breaking }

// breaking is a process that again and again breaks a lease that has ended, has
// the lock, and leaves it as if it had been killed. Its arguments are the
// directory, how long to go on, and "unguarded" if there is no flock.
func breaking(args []string) error {
	s := locktest.Scene{Dir: args[0]}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	if len(args) > 2 {
		fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
			switch {
			case op == fault.Lock:
				return syscall.ENOLCK
			case op == fault.Unlink && path == s.Lock():
				outwait(path) // after the last look
			}
			return nil
		}})
	}
	// None ends by itself: a busy machine may do nothing for seconds.
	l, n := lease.New(s.Lock(), lease.Config{Lifetime: time.Minute, Slop: quick.Slop}), 0
	for end := time.Now().Add(d); n < 3 || time.Now().Before(end); n++ { // however slow the machine is
		h, err := l.Acquire(bg, filelock.WithPollInterval(100*time.Microsecond), filelock.WithTimeout(time.Minute))
		if err != nil {
			return err
		}
		if err := s.Count(io.Discard); err != nil {
			return err
		}
		own := fmt.Sprintf("%s.%d", s.Lock(), os.Getpid())
		err = errors.Join(os.WriteFile(own, []byte(s.Lock()+"|another|1|1"), 0o666), age(own), os.Rename(own, s.Lock()))
		if err != nil {
			return err
		}
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			return fmt.Errorf("the release of what is gone: %w", err)
		}
	}
	fmt.Println(n)
	return nil
}

// outwait returns when others have come between and put something else at path, as they
// do on any machine, unless they wait for this one as well.
func outwait(path string) {
	was, _ := sys.Lstat(path)
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if now, err := sys.Lstat(path); err != nil || now.ID != was.ID {
			return
		}
	}
}

// storm has processes break leases for a while, and returns how many they broke
// and what went wrong.
func storm(t *testing.T, d time.Duration, how ...string) (breaks, failures int) {
	s := locktest.NewScene(t)
	var procs []*testproc.Proc
	for range 6 {
		procs = append(procs, testproc.Start(t, "breaking", append([]string{s.Dir, d.String()}, how...)...))
	}
	for _, p := range procs {
		n, err := strconv.Atoi(strings.TrimSpace(p.Rest()))
		if errWait := p.Wait(); errWait != nil || err != nil {
			failures++
		}
		breaks += n
	}
	return breaks, failures
}

// TestLaw07OnlyTheInspectedLeaseIsBroken would let two have the lock if another
// one were ever removed.
func TestLaw07OnlyTheInspectedLeaseIsBroken(t *testing.T) {
	d := locktest.Seconds(t, 1)
	breaks, failures := storm(t, d)
	if failures > 0 || breaks < 10 {
		t.Errorf("%d of 6 processes failed, in %d breaks", failures, breaks)
	}
	t.Logf("%d breaks in %v", breaks, d)
}

// TestLaw07IsFoundBroken where nobody can be kept from a lock, as the package
// says: so the test above would notice.
func TestLaw07IsFoundBroken(t *testing.T) {
	for range 20 {
		if _, failures := storm(t, 500*time.Millisecond, "unguarded"); failures > 0 {
			return
		}
	}
	t.Error("breaking without flock goes unnoticed")
}

// TestLaw06LeaseIsHeldUntilYearsThatCannotBeCounted in nanoseconds, as that of a
// flufl.lock with a lifetime of centuries is.
func TestLaw06LeaseIsHeldUntilYearsThatCannotBeCounted(t *testing.T) {
	for _, year := range []int{2263, 2400, 2446} { // the last one that all usual file systems know
		path := lockPath(t)
		leave(t, path, host(t), os.Getpid(), time.Now())
		at, err := unix.TimeToTimespec(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			return // 32 bits: such a time cannot be set there
		}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, 0))
		l := lease.New(path, quick)
		if ends, err := l.Expiration(bg); err != nil || ends.Before(time.Now()) {
			t.Errorf("in %d: %v, %v", year, ends, err)
		}
		_, err = l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
	}
}
