//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock"
)

// A leased grant lasts for ten seconds, and does as its fields say.
type leased struct {
	grant
	start time.Time
	none  bool // nobody is to renew it
	busy  atomic.Int32
	act   atomic.Pointer[func(ctx context.Context, lifetime time.Duration) error] // nil: it succeeds

	mu   sync.Mutex // guards what follows
	when []time.Duration
	want []time.Duration
}

// renews sets what a renewal comes to.
func (g *leased) renews(how func(ctx context.Context, lifetime time.Duration) error) {
	g.act.Store(&how)
}

func succeeds(context.Context, time.Duration) error { return nil }

// renewed returns when the lease was renewed, from the start.
func (g *leased) renewed() []time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.when)
}

// wanted returns for how long it was to last each time.
func (g *leased) wanted() []time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.want)
}

const lifetime = 10 * time.Second

func (g *leased) Renew(ctx context.Context, d time.Duration) (time.Duration, error) {
	if g.busy.Add(1) != 1 {
		panic("Renew or Release during a Renew")
	}
	defer g.busy.Add(-1)
	g.mu.Lock()
	g.when, g.want = append(g.when, time.Since(g.start)), append(g.want, d)
	g.mu.Unlock()
	if how := g.act.Load(); how != nil {
		if err := (*how)(ctx, d); err != nil {
			return 0, err
		}
	}
	switch {
	case g.none:
		return 0, nil
	case d > 0:
		return d, nil
	}
	return lifetime, nil
}

func (g *leased) Release(ctx context.Context) error {
	if g.busy.Load() != 0 {
		panic("Release during a Renew")
	}
	return g.grant.Release(ctx)
}

// leases runs test in a bubble, with a lock that has just begun.
func leases(t *testing.T, test func(t *testing.T, l *filelock.Lock, g *leased)) {
	synctest.Test(t, func(t *testing.T) {
		g := &leased{start: time.Now()}
		restore := filelock.SetClocks(func() (time.Duration, time.Time) { return time.Since(g.start), time.Now() })
		defer restore()
		test(t, filelock.NewLock(&backend{key: t.Name(), acquire: always(g)}), g)
		if n := filelock.Queues(); n != 0 {
			t.Errorf("%d queues remain", n)
		}
	})
}

var errServer = errors.New("the server does not answer")

func fails(context.Context, time.Duration) error { return errServer }

// lostAfter returns when the hold is lost, or fails if it is not within an hour.
func lostAfter(t *testing.T, h *filelock.Hold, since time.Time) time.Duration {
	t.Helper()
	select {
	case <-h.Lost():
	case <-time.After(time.Hour):
		t.Fatal("it is not lost")
	}
	after := time.Since(since)
	<-h.Context().Done() // follows at once
	if cause := context.Cause(h.Context()); !errors.Is(cause, filelock.ErrLost) || time.Since(since) != after {
		t.Errorf("the context ended with %v", cause)
	}
	return after
}

func TestLeaseIsRenewedWhileItIsHeld(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		must(t, l.Do(bg, func(ctx context.Context) error {
			time.Sleep(time.Hour)
			return ctx.Err()
		}))
		if len(g.renewed()) != 1081 || g.renewed()[1] != lifetime/3 || g.renewed()[1080] != 1080*(lifetime/3) {
			t.Errorf("it was renewed %d times, %v", len(g.renewed()), g.renewed()[:3])
		}
		time.Sleep(time.Hour)
		if len(g.renewed()) != 1081 {
			t.Error("it is renewed after its release")
		}
	})
}

func TestLaw12RenewalRunsBeforeAcquireReturns(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		if len(g.renewed()) != 1 {
			t.Errorf("it was renewed %d times", len(g.renewed()))
		}
		must(t, h.Release())
	})
}

func TestLaw12ClaimIsWithdrawnIfRenewalCannotStart(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		released := 0
		refuse := errors.New("not now")
		g.renews(fails)
		g.release = func() error { released++; return nil }
		_, err := l.Acquire(bg)
		want(t, err, errServer)
		if released != 1 || l.Held() {
			t.Errorf("it was released %d times, held: %v", released, l.Held())
		}
		g.release = func() error { released++; return refuse }
		_, err = l.Acquire(bg)
		want(t, err, errServer, refuse)
		g.release = func() error { released++; return nil }
		g.renews(succeeds)
		h, err := l.Acquire(bg) // pays the debt first
		must(t, err)
		if released != 3 {
			t.Errorf("it was released %d times", released)
		}
		must(t, h.Release())
	})
}

// TestLaw09LeaseThatIsGoneIsNotAHold has two leases go before they are renewed.
func TestLaw09LeaseThatIsGoneIsNotAHold(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		gone := func(context.Context, time.Duration) error { return filelock.ErrLost }
		g.renews(gone)
		g.release = func() error { return filelock.ErrLost }
		_, err := l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		if errors.Is(err, filelock.ErrLost) || l.Held() {
			t.Errorf("%v, held: %v", err, l.Held())
		}
		left := 2
		g.renews(func(context.Context, time.Duration) error {
			if left--; left >= 0 {
				return filelock.ErrLost
			}
			return nil
		})
		h, err := l.Acquire(bg)
		must(t, err)
		if n := len(g.renewed()); n != 4 {
			t.Errorf("it was renewed %d times", n)
		}
		g.release = nil
		must(t, h.Release())

		ctx, cancel := context.WithCancel(bg)
		g.renews(func(context.Context, time.Duration) error { cancel(); return filelock.ErrLost })
		_, err = l.Acquire(ctx)
		want(t, err, context.Canceled)
		g.renews(gone)
		broken := errors.New("broken")
		g.release = func() error { return broken }
		_, err = l.Acquire(bg)
		want(t, err, broken, filelock.ErrLost)
		g.release = nil
		must(t, filelock.ReleaseAll())
	})
}

// TestLaw09LeaseBrokenBeforeItBeganIsNoLoss has an acquisition end while its lease
// is renewed for the first time, and somebody break that: nobody had a hold yet.
func TestLaw09LeaseBrokenBeforeItBeganIsNoLoss(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		g.renews(func(ctx context.Context, _ time.Duration) error {
			<-ctx.Done()
			return ctx.Err()
		})
		g.release = func() error { return filelock.ErrLost }
		_, err := l.Acquire(bg, filelock.WithTimeout(time.Second))
		want(t, err, filelock.ErrTimeout)
		if errors.Is(err, filelock.ErrLost) {
			t.Errorf("a hold that never was is lost: %#v", err)
		}
	})
}

// TestLaw10LeaseIsReckonedFromBeforeItsRenewal has a renewal that takes long.
func TestLaw10LeaseIsReckonedFromBeforeItsRenewal(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		g.renews(func(context.Context, time.Duration) error { time.Sleep(4 * time.Second); return nil })
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(fails)
		if d := lostAfter(t, h, g.start); d != lifetime*9/10 {
			t.Errorf("it is lost after %v", d)
		}
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestLaw13LossOfALeaseIsToldInTime(t *testing.T) {
	for name, renew := range map[string]func(context.Context, time.Duration) error{
		"fails": fails,
		"hangs": func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() },
		"is deaf": func(context.Context, time.Duration) error {
			time.Sleep(time.Minute)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
				own := errors.New("the function's")
				err := l.Do(bg, func(ctx context.Context) error {
					g.renews(renew)
					<-ctx.Done()
					if d := time.Since(g.start); d != lifetime*9/10 {
						t.Errorf("it is told after %v", d)
					}
					if text := context.Cause(ctx).Error(); !strings.Contains(text, "lease of 10s ran out") {
						t.Errorf("the cause is %q", text)
					}
					return own
				})
				want(t, err, own, filelock.ErrLost)
			})
		})
	}
}

func TestLaw13LossByRenewalIsToldAtOnce(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(func(context.Context, time.Duration) error { return filelock.ErrLost })
		if d := lostAfter(t, h, g.start); d != lifetime/3 {
			t.Errorf("it is lost after %v", d)
		}
		count := len(g.renewed())
		want(t, l.Renew(h.Context(), 0), filelock.ErrLost)
		time.Sleep(time.Hour)
		if len(g.renewed()) != count {
			t.Error("what is lost is renewed")
		}
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestFailedRenewalIsTriedAgainSoon(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		failures := 0
		g.renews(func(context.Context, time.Duration) error {
			if failures++; failures <= 5 {
				return errServer
			}
			return nil
		})
		time.Sleep(lifetime)
		if h.Context().Err() != nil || len(g.renewed()) != 7 || g.renewed()[2]-g.renewed()[1] != lifetime/12 {
			t.Errorf("renewed at %v: %v", g.renewed(), context.Cause(h.Context()))
		}
		must(t, h.Release())
	})
}

// TestLaw13LossIsToldAfterSuspend has one of the clocks jump, as on waking from
// suspend, or when the wall clock is set. A lease that has run out by then is
// not renewed either.
func TestLaw13LossIsToldAfterSuspend(t *testing.T) {
	for _, name := range []string{"steady", "wall", "both"} {
		t.Run(name, func(t *testing.T) {
			leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
				var jumped atomic.Bool
				defer filelock.SetClocks(func() (time.Duration, time.Time) {
					steady, wall := time.Since(g.start), time.Now()
					if jumped.Load() && name != "wall" {
						steady += lifetime
					}
					if jumped.Load() && name != "steady" {
						wall = wall.Add(lifetime)
					}
					return steady, wall
				})()
				h, err := l.Acquire(bg)
				must(t, err)
				time.Sleep(time.Minute)
				before := len(g.renewed())
				jumped.Store(true)
				if d := lostAfter(t, h, g.start.Add(time.Minute)); d > 250*time.Millisecond {
					t.Errorf("it is told after %v", d)
				}
				if len(g.renewed()) != before {
					t.Error("it was renewed when it had run out")
				}
				want(t, h.Release(), filelock.ErrLost)
			})
		})
	}
}

// TestClockSetBackTakesNothingAway has the other clock go on.
func TestClockSetBackTakesNothingAway(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		var back atomic.Int64
		defer filelock.SetClocks(func() (time.Duration, time.Time) {
			return time.Since(g.start), time.Now().Add(-time.Duration(back.Load()))
		})()
		h, err := l.Acquire(bg)
		must(t, err)
		back.Store(int64(time.Hour))
		time.Sleep(time.Minute)
		must(t, h.Context().Err())
		g.renews(fails)
		start := g.start.Add(g.renewed()[len(g.renewed())-1])
		if d := lostAfter(t, h, start); d != lifetime*9/10 {
			t.Errorf("it is lost after %v", d)
		}
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestRenewSetsTheLifetime(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, time.Hour} {
		leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
			h, err := l.Acquire(bg)
			must(t, err)
			must(t, l.Renew(h.Context(), d))
			if !slices.Equal(g.wanted(), []time.Duration{0, d}) {
				t.Errorf("wanted were %v", g.wanted())
			}
			g.renews(fails)
			expect := d
			if d == 0 {
				expect = lifetime
			}
			if d := lostAfter(t, h, g.start); d != expect*9/10 {
				t.Errorf("it is lost after %v", d)
			}
			want(t, h.Release(), filelock.ErrLost)
		})
	}
}

// TestShorterLifetimeCountsAtOnce has a renewal of which nobody knows whether it
// came to anything.
func TestShorterLifetimeCountsAtOnce(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() })
		done := make(chan error)
		go func() { done <- l.Renew(h.Context(), time.Second) }()
		if d := lostAfter(t, h, g.start); d != time.Second*9/10 {
			t.Errorf("it is lost after %v", d)
		}
		want(t, <-done, filelock.ErrLost)
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestLifetimeThatIsRefusedChangesNothing(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(func(context.Context, time.Duration) error { return fs.ErrInvalid })
		want(t, l.Renew(h.Context(), time.Nanosecond), fs.ErrInvalid)
		g.renews(fails)
		if d := lostAfter(t, h, g.start); d != lifetime*9/10 {
			t.Errorf("it is lost after %v", d)
		}
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestRenewIsForTheOwner(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		want(t, l.Renew(bg, 0), filelock.ErrNotHeld)
		h, err := l.Acquire(bg)
		must(t, err)
		want(t, l.Renew(bg, 0), filelock.ErrNotOwner)
		want(t, l.Renew(h.Context(), -1), fs.ErrInvalid)
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		g.renews(func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
		want(t, l.Renew(ctx, 0), context.Canceled)
		g.renews(succeeds)
		must(t, l.Renew(h.Context(), 0))
		must(t, h.Release())
		want(t, l.Renew(h.Context(), 0), filelock.ErrNotHeld)
	})
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{})})
	must(t, l.Do(bg, func(ctx context.Context) error {
		want(t, l.Renew(ctx, 0), filelock.ErrUnsupported)
		return nil
	}))
}

// TestReleaseEndsARenewalUnderWay would wait for a minute.
func TestReleaseEndsARenewalUnderWay(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(func(ctx context.Context, _ time.Duration) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		})
		time.Sleep(lifetime / 2)
		before := time.Now()
		must(t, h.Release())
		if time.Since(before) != 0 {
			t.Errorf("Release took %v", time.Since(before))
		}
	})
}

func TestHoldThatCannotBeReleasedIsRenewed(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		refuse := errors.New("not now")
		g.release = func() error { return refuse }
		h, err := l.Acquire(bg)
		must(t, err)
		want(t, h.Release(), refuse)
		time.Sleep(time.Hour)
		must(t, h.Context().Err())
		g.release = nil
		must(t, h.Release())
		count := len(g.renewed())
		if time.Sleep(time.Hour); len(g.renewed()) != count || count < 1000 {
			t.Errorf("it was renewed %d times, then %d", count, len(g.renewed()))
		}
	})
}

func TestLeaseThatIsNotLookedAfter(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		g.none = true
		h, err := l.Acquire(bg)
		must(t, err)
		time.Sleep(time.Hour)
		must(t, h.Context().Err())
		must(t, l.Renew(h.Context(), time.Minute))
		if len(g.renewed()) != 2 {
			t.Errorf("it was renewed at %v", g.renewed())
		}
		must(t, h.Release())
	})
}

// TestLaw17CancelledRenewalLeavesNothing has the caller's context end while the
// lease is renewed for the first time.
func TestLaw17CancelledRenewalLeavesNothing(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		released := 0
		g.release = func() error { released++; return nil }
		g.renews(func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() })
		_, err := l.Acquire(bg, filelock.WithTimeout(time.Second))
		want(t, err, filelock.ErrTimeout)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		_, err = l.Acquire(ctx)
		want(t, err, context.DeadlineExceeded)
		if released != 2 || l.Held() {
			t.Errorf("it was released %d times, held: %v", released, l.Held())
		}
		time.Sleep(time.Hour)
		if len(g.renewed()) != 2 {
			t.Errorf("it was renewed at %v", g.renewed())
		}
	})
}

// TestLaw17LockThatComesWithTheCancellationIsHeld has the lock handed to somebody who
// has been cancelled, and has not left the queue yet.
func TestLaw17LockThatComesWithTheCancellationIsHeld(t *testing.T) {
	leases(t, func(t *testing.T, _ *filelock.Lock, g *leased) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(handed{g})})
		first, err := l.Acquire(bg)
		must(t, err)
		ctx, cancel := context.WithCancel(bg)
		next := make(chan *filelock.Hold)
		go func() {
			var handOver error
			h, err := l.Acquire(ending{ctx, sync.OnceFunc(func() { handOver = first.Release() })})
			if err := errors.Join(err, handOver); err != nil {
				t.Error(err)
			}
			next <- h
		}()
		synctest.Wait()
		cancel()
		if h := <-next; h != nil {
			must(t, h.Release())
		}
		if l.Held() {
			t.Error("it is held by nobody")
		}
	})
}

// ending is a context that does something when it is asked why it has ended.
type ending struct {
	context.Context
	do func()
}

func (c ending) Err() error {
	err := c.Context.Err()
	if err != nil {
		c.do()
	}
	return err
}

// TestSharedLeaseIsRenewedForAll has the first of two readers leave.
func TestSharedLeaseIsRenewedForAll(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		a, err := l.Acquire(bg, filelock.Shared())
		must(t, err)
		b, err := l.Acquire(bg, filelock.Shared())
		must(t, err)
		must(t, a.Release())
		time.Sleep(time.Minute)
		must(t, b.Context().Err())
		g.renews(fails)
		lostAfter(t, b, g.start)
		want(t, b.Release(), filelock.ErrLost)
	})
}

// handed is a lease that passes from one owner to the next.
type handed struct{ *leased }

func (handed) HandOver(filelock.Backend, filelock.Request) bool { return true }

// changesHands returns what two acquisitions ask the backend for, of which the
// second waits while the first has the lock, and does something ahead of its end.
func changesHands(t *testing.T, first, second filelock.AcquireOption, do func(*filelock.Hold, *leased)) (asked []filelock.Request) {
	leases(t, func(t *testing.T, _ *filelock.Lock, g *leased) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: func(_ context.Context, r filelock.Request) (filelock.Grant, error) {
			asked = append(asked, r)
			return handed{g}, nil
		}})
		h, err := l.Acquire(bg, first)
		must(t, err)
		next := make(chan *filelock.Hold)
		go func() {
			h, err := l.Acquire(bg, second)
			if err != nil {
				t.Error(err)
			}
			next <- h
		}()
		synctest.Wait()
		do(h, g)
		h.Release()
		must(t, (<-next).Release())
	})
	return asked
}

func TestLaw04SharedIsNotHandedOnAsExclusive(t *testing.T) {
	asked := changesHands(t, filelock.Shared(), filelock.Exclusive(), func(*filelock.Hold, *leased) {})
	if len(asked) != 2 || !asked[0].Shared || asked[1].Shared {
		t.Errorf("the backend was asked for %+v", asked)
	}
}

func TestLaw13LostLockIsNotHandedOn(t *testing.T) {
	asked := changesHands(t, filelock.Exclusive(), filelock.Exclusive(), func(_ *filelock.Hold, g *leased) { g.lost() })
	if len(asked) != 2 {
		t.Errorf("the backend was asked %d times", len(asked))
	}
}

// TestLaw13LeaseThatRanOutIsNotRenewed has the machine be suspended until the lease
// is over, and a renewal be asked for before anybody has looked at the clocks.
func TestLaw13LeaseThatRanOutIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &leased{start: time.Now()}
		var slept time.Duration
		defer filelock.SetClocks(func() (time.Duration, time.Time) { return time.Since(g.start) + slept, time.Now().Add(slept) })()
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(g)})
		h, err := l.Acquire(bg)
		must(t, err)
		slept = lifetime
		want(t, l.Renew(h.Context(), 0), filelock.ErrLost)
		if n := len(g.renewed()); n != 1 {
			t.Errorf("it was renewed %d times", n)
		}
		want(t, h.Release(), filelock.ErrLost)
	})
}

func TestLeaseThatIsHandedOnGoesOn(t *testing.T) {
	leases(t, func(t *testing.T, _ *filelock.Lock, g *leased) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(handed{g})})
		first, err := l.Acquire(bg)
		must(t, err)
		second := make(chan *filelock.Hold)
		go func() {
			h, err := l.Acquire(bg)
			if err != nil {
				t.Error(err)
			}
			second <- h
		}()
		synctest.Wait()
		must(t, first.Release())
		h := <-second
		time.Sleep(time.Minute)
		must(t, h.Context().Err())
		if len(g.renewed()) != 19 { // the one hold, as it were
			t.Errorf("it was renewed %d times", len(g.renewed()))
		}
		g.renews(fails)
		lostAfter(t, h, g.start)
		want(t, h.Release(), filelock.ErrLost)
	})
}

// TestLaw09LeaseThatRanOutMeanwhileIsNotAHold has a first renewal take longer
// than the lease, as that of a process which is stopped does.
func TestLaw09LeaseThatRanOutMeanwhileIsNotAHold(t *testing.T) {
	leases(t, func(t *testing.T, l *filelock.Lock, g *leased) {
		slow := func(context.Context, time.Duration) error {
			time.Sleep(lifetime)
			g.renews(succeeds)
			return nil
		}
		g.renews(slow)
		_, err := l.TryAcquire(bg)
		if !errors.Is(err, filelock.ErrLocked) || l.Held() {
			t.Errorf("a lease is a hold that ended %v ago: %v", lifetime/10, err)
		}
		g.renews(slow)
		must(t, l.Do(bg, func(ctx context.Context) error { return ctx.Err() }))
		h, err := l.Acquire(bg)
		must(t, err)
		g.renews(slow)
		if err := l.Renew(h.Context(), 0); !errors.Is(err, filelock.ErrLost) {
			t.Errorf("it was renewed for a time that is over: %v", err)
		}
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			t.Error(err)
		}
	})
}
