package lease_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

// off is a clock that differs from the file system's, which is this machine's.
func off(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

func TestLaw08EndIsTheLaterOfTwoClocks(t *testing.T) {
	for _, ahead := range []time.Duration{-8 * time.Second, 0, 8 * time.Second} {
		path := lockPath(t)
		before := time.Now()
		l := lease.NewAt(off(ahead), path, lease.Config{})
		h := acquire(t, l)
		ends, err := l.Expiration(bg)
		must(t, err)
		// The file system's clock may be a few milliseconds behind.
		first := before.Add(max(ahead, -20*time.Millisecond) + lease.DefaultLifetime)
		if last := time.Now().Add(max(ahead, 0) + lease.DefaultLifetime + time.Second); ends.Before(first) || ends.After(last) {
			t.Errorf("of a clock %v ahead it ends at %v, want from %v to %v", ahead, ends, first, last)
		}
		must(t, h.Release())
	}
}

// TestLaw08LeaseIsBrokenWhenItHasEndedByBothClocks has contenders with a clock
// that is fast, right or slow.
func TestLaw08LeaseIsBrokenWhenItHasEndedByBothClocks(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		ahead, ended time.Duration
		broken       bool
	}{
		{0, -s, false}, {0, 5 * s, false}, {0, 15 * s, true},
		{8 * s, 5 * s, false}, {8 * s, 15 * s, true},
		{-8 * s, 15 * s, false}, {-8 * s, 25 * s, true},
	} {
		t.Run(fmt.Sprintf("%v ahead, ended %v ago", c.ahead, c.ended), func(t *testing.T) {
			path := lockPath(t)
			leave(t, path, "another.example", 1, time.Now().Add(-c.ended))
			h, err := lease.NewAt(off(c.ahead), path, lease.Config{}).TryAcquire(bg)
			if broken := err == nil; broken != c.broken {
				t.Fatalf("it is broken: %v, %v", broken, err)
			}
			if err == nil {
				must(t, h.Release())
				nothingIsLeft(t, path)
				return
			}
			want(t, err, filelock.ErrLocked)
			if left := files(t, path); len(left) != 1 {
				t.Errorf("beside the lock there are %q", left)
			}
		})
	}
}

// TestLaw08LifetimeInForceIsTheHolders: not the contender's.
func TestLaw08LifetimeInForceIsTheHolders(t *testing.T) {
	path := lockPath(t)
	p := kind.Elsewhere(t, path)
	s := lease.Config{Lifetime: time.Second, Slop: time.Nanosecond}
	later := time.Now().Add(time.Hour)
	must(t, os.Chtimes(path, later, later))
	p.Kill()
	_, err := lease.New(path, s).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
}

func TestSkewBeyondTheSlopIsAnError(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Minute, time.Minute} {
		path := lockPath(t)
		_, err := lease.NewAt(off(ahead), path, lease.Config{}).Acquire(bg)
		want(t, err, lease.ErrSkew)
		if errors.Is(err, filelock.ErrLocked) || !strings.Contains(err.Error(), "10s") {
			t.Errorf("the error is %v", err)
		}
		nothingIsLeft(t, path)

		var jump atomic.Int64
		l := lease.NewAt(func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }, path, lease.Config{})
		h := acquire(t, l)
		ends, err := l.Expiration(bg)
		must(t, err)
		jump.Store(int64(ahead))
		want(t, l.Refresh(h.Context(), 0), lease.ErrSkew)
		jump.Store(0)
		if after, err := l.Expiration(bg); err != nil || !after.Equal(ends) {
			t.Errorf("a clock that is wrong has made %v of %v, %v", after, ends, err)
		}
		must(t, l.Refresh(h.Context(), 0))
		must(t, h.Release())
	}
}

func TestTimeThereIsWithinTheSlop(t *testing.T) {
	before := time.Unix(2e9, 0)
	after := before.Add(time.Second)
	for changed, kind := range map[time.Time]error{
		before.Add(-time.Minute):     nil,
		before.Add(-time.Minute - 1): lease.ErrSkew,
		after.Add(time.Minute):       nil,
		after.Add(time.Minute + 1):   lease.ErrSkew,
		time.Unix(0, 0):              filelock.ErrUnsupported, // there is none
	} {
		there, err := lease.TimeThere(changed.UnixNano(), before, after, time.Minute)
		if !errors.Is(err, kind) || err == nil && !there.Equal(changed) {
			t.Errorf("of %v the time there is %v, %v; want %v", changed, there, err, kind)
		}
	}
}

func TestLockOfTheFarFutureIsHeld(t *testing.T) {
	path := lockPath(t)
	leave(t, path, host(t), os.Getpid(), time.Now().AddDate(10, 0, 0))
	_, err := lease.New(path, quick).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
}
