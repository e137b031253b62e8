//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
)

// failsAtFirst returns a grant whose first releases fail as they are told to.
func failsAtFirst(first ...func() error) *grant {
	n := 0
	return &grant{release: func() error {
		if n++; n <= len(first) {
			return first[n-1]()
		}
		return nil
	}}
}

func notNow() error { return errors.New("not now") }

func slowly() error {
	time.Sleep(time.Second)
	return nil
}

// panics calls f, which must panic.
func panics(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}

func TestPanickingReleaseIsADebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := filelock.Queues()
		boo := func() error { panic("boo") }
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(failsAtFirst(boo, boo))})
		h := acquire(t, bg, l)
		panics(t, func() { h.Release() })
		want(t, h.Release(), filelock.ErrNotHeld)
		panics(t, func() { l.TryAcquire(bg) }) // which has to release it first
		must(t, acquire(t, bg, l).Release())
		if n := filelock.Queues(); n != before {
			t.Errorf("there are %d queues more", n-before)
		}
	})
}

type panicHandler struct{ slog.Handler }

func (h panicHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (h panicHandler) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h panicHandler) Handle(context.Context, slog.Record) error { panic("boo") }

func TestPanickingLoggerLeavesNoHold(t *testing.T) {
	path := lockPath(t)
	l := filelock.New(path, filelock.WithLogger(slog.New(panicHandler{slog.DiscardHandler})))
	panics(t, func() { l.Do(bg, func(context.Context) error { return nil }) })
	must(t, acquire(t, bg, filelock.New(path)).Release())
}

type panicsOnLoss struct{ released *int }

func (p panicsOnLoss) Release(context.Context) error { *p.released++; return nil }
func (p panicsOnLoss) OnLoss(func())                 { panic("boo") }

func TestPanickingOnLossIsADebt(t *testing.T) {
	released := 0
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(panicsOnLoss{&released})})
	panics(t, func() { l.TryAcquire(bg) })
	must(t, filelock.ReleaseAll())
	if released != 1 {
		t.Errorf("the grant was released %d times", released)
	}
}

// TestNobodyIsAskedWhileADebtIsOut has ReleaseAll and an acquisition settle it.
func TestNobodyIsAskedWhileADebtIsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := 0
		g := failsAtFirst(notNow, slowly)
		release := g.release
		g.release = func() error {
			err := release()
			if err == nil {
				out--
			}
			return err
		}
		l := filelock.NewLock(&backend{key: t.Name(), acquire: func(context.Context, filelock.Request) (filelock.Grant, error) {
			if out++; out != 1 {
				t.Error("the backend is asked while its grant is out")
			}
			return g, nil
		}})
		l.Do(bg, func(context.Context) error { return nil })
		go filelock.ReleaseAll()
		synctest.Wait()
		h, err := l.TryAcquire(bg)
		must(t, err)
		must(t, h.Release())
		synctest.Wait()
	})
}

func TestReleaseAllWaitsForReleasesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := false
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
			defer func() { over = true }()
			return slowly()
		}})})
		h := acquire(t, bg, l)
		go h.Release()
		synctest.Wait()
		must(t, filelock.ReleaseAll())
		if !over {
			t.Error("ReleaseAll returned while a lock was being released")
		}
	})
}

func TestForceReleaseOfWhatIsBeingReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: slowly})})
		ctx := ownedBy("o")
		h := acquire(t, ctx, l)
		go h.Release()
		synctest.Wait()
		want(t, l.ForceRelease(ctx), filelock.ErrNotHeld)
		time.Sleep(time.Minute)
	})
}

// TestForceReleaseFailsWhenNobodyIsLeft has the holder leave meanwhile: then
// there is nobody whose hold could go on.
func TestForceReleaseFailsWhenNobodyIsLeft(t *testing.T) {
	for what, force := range map[string]func(*filelock.Lock, context.Context) error{
		"ForceRelease": (*filelock.Lock).ForceRelease,
		"ReleaseAll":   func(*filelock.Lock, context.Context) error { return filelock.ReleaseAll() },
	} {
		synctest.Test(t, func(t *testing.T) {
			slow := func() error { slowly(); return notNow() }
			l := filelock.NewLock(&backend{key: t.Name(), acquire: always(failsAtFirst(slow))})
			forced := make(chan error, 1)
			must(t, l.Do(bg, func(ctx context.Context) error {
				go func() { forced <- force(l, ctx) }()
				synctest.Wait()
				return nil
			}))
			if <-forced == nil {
				t.Errorf("%s: nobody is told", what)
			}
			must(t, acquire(t, bg, l, filelock.WithTimeout(time.Hour)).Release())
		})
	}
}

// TestForceReleaseFailsAndHoldsGoOn has one of three holds be left meanwhile.
func TestForceReleaseFailsAndHoldsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func() error { slowly(); return notNow() }
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(failsAtFirst(slow))})
		ctx := ownedBy("o")
		holds := []*filelock.Hold{acquire(t, ctx, l), acquire(t, ctx, l), acquire(t, ctx, l)}
		forced := make(chan error, 1)
		go func() { forced <- l.ForceRelease(ctx) }()
		synctest.Wait()
		want(t, holds[0].Release(), filelock.ErrNotHeld)
		if <-forced == nil {
			t.Error("nobody is told")
		}
		if d := l.Depth(ctx); d != 2 {
			t.Errorf("depth is %d, want 2", d)
		}
		must(t, holds[1].Release())
		must(t, holds[2].Release())
		if l.Held() {
			t.Error("it is still held")
		}
	})
}

// TestFileOfAHoldThatIsForcedAway would be somebody else's, who has got the same
// descriptor.
func TestFileOfAHoldThatIsForcedAway(t *testing.T) {
	l := filelock.New(lockPath(t))
	h := acquire(t, ownedBy("o"), l)
	closed, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Close {
			once.Do(func() { close(closed); <-goOn })
		}
		return err
	}})
	forced := make(chan error)
	go func() { forced <- l.ForceRelease(h.Context()) }()
	<-closed // the lock's file
	other, err := os.Create(filepath.Join(t.TempDir(), "other"))
	must(t, err)
	defer other.Close()
	got := make(chan *os.File)
	go func() { got <- h.File() }()
	remove()
	close(goOn)
	must(t, <-forced)
	if f := <-got; f != nil {
		t.Errorf("the hold's file is %v", f.Fd())
		f.Close()
	}
}

func TestReleaseThatSaysNotHeldIsOver(t *testing.T) {
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error { return filelock.ErrNotHeld }})})
	for range 2 {
		must(t, l.Do(bg, func(context.Context) error { return nil }))
	}
}

// TestReleasedOfAnotherLockEndsNothing has a backend that is made of another lock,
// whose error it passes on.
func TestReleasedOfAnotherLockEndsNothing(t *testing.T) {
	other := filelock.NewLock(&backend{key: t.Name() + " other", acquire: always(failsAtFirst(func() error { return filelock.Released(notNow()) }))})
	release := func() error {
		return fmt.Errorf("the marker stands: %w", other.Do(bg, func(context.Context) error { return nil }))
	}
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(failsAtFirst(release))})
	h := acquire(t, bg, l)
	if err := h.Release(); err == nil || !l.Held() {
		t.Errorf("a release that failed has ended the hold: %v", err)
	}
	must(t, h.Release())
}

func TestErrorOfADebtNamesItsLock(t *testing.T) {
	l := filelock.NewLock(&backend{key: "debtor", acquire: always(failsAtFirst(notNow, notNow))})
	l.Do(bg, func(context.Context) error { return nil })
	e := new(filelock.LockError)
	if err := filelock.ReleaseAll(); !errors.As(err, &e) || e.Path != "debtor" || e.Op != "release" {
		t.Error(err)
	}
	must(t, filelock.ReleaseAll())
}

func TestTimeoutBoundsTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context, _ filelock.Request) (filelock.Grant, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		l := filelock.NewLock(&backend{key: t.Name(), acquire: silent})
		start := time.Now()
		_, err := l.Acquire(bg, filelock.WithTimeout(time.Second))
		want(t, err, filelock.ErrTimeout)
		if d := time.Since(start); d != time.Second {
			t.Errorf("a timeout of a second took %v", d)
		}
	})
}

// TestTryThatRunsOutIsNotLocked has a try wait for an attempt of another, of
// which nobody knows yet what comes of it.
func TestTryThatRunsOutIsNotLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: func(context.Context, filelock.Request) (filelock.Grant, error) {
			time.Sleep(time.Minute)
			return nil, errors.New("broken")
		}})
		go l.TryAcquire(bg)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		_, err := l.TryAcquire(ctx)
		want(t, err, context.DeadlineExceeded)
		if errors.Is(err, filelock.ErrLocked) {
			t.Errorf("nobody has it: %v", err)
		}
		time.Sleep(time.Hour)
	})
}

// TestSlowOnWaitKeepsNobodyElseWaiting has somebody give up whose function goes
// on for an hour.
func TestSlowOnWaitKeepsNobodyElseWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Bool
		l := filelock.NewLock(&backend{key: t.Name(), acquire: func(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
			if free.Load() {
				return &grant{}, nil
			}
			return never(ctx, r)
		}})
		go l.Acquire(bg, filelock.WithTimeout(2*time.Second), filelock.OnWait(func(filelock.WaitInfo) { time.Sleep(time.Hour) }))
		time.Sleep(3 * time.Second)
		free.Store(true)
		start := time.Now()
		must(t, acquire(t, bg, l).Release())
		if d := time.Since(start); d > 0 {
			t.Errorf("a free lock took %v", d)
		}
		time.Sleep(2 * time.Hour)
	})
}

type silentInspect struct{ *backend }

func (silentInspect) Inspect(ctx context.Context) (filelock.State, error) {
	<-ctx.Done()
	return filelock.State{}, ctx.Err()
}

func TestLookingForTheHolderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(silentInspect{&backend{key: t.Name(), acquire: never}})
		start := time.Now()
		_, err := l.Acquire(bg, filelock.WithTimeout(time.Second))
		want(t, err, filelock.ErrTimeout)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("a timeout of a second took %v", d)
		}
	})
}

func TestBackendsOwnErrorIsKept(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	failure := errors.New("could not be undone")
	l := filelock.NewLock(&backend{key: t.Name(), acquire: func(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
		if r.NoWait {
			return nil, filelock.ErrLocked
		}
		cancel()
		return nil, errors.Join(ctx.Err(), failure)
	}})
	_, err := l.Acquire(ctx)
	want(t, err, context.Canceled, failure)
}

// TestOwnerEndsBeforeItsHolds has goroutines outlive the Do that made their
// owner: under holds of their own they nest all the same.
func TestOwnerEndsBeforeItsHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := made(t, "a"), made(t, "b"), made(t, "c")
		nests := func(l *filelock.Lock, ctx context.Context) {
			time.Sleep(time.Hour) // a's Do has returned
			if d := l.Depth(ctx); d != 1 {
				t.Errorf("depth is %d", d)
			}
			must(t, l.Do(ctx, func(context.Context) error { return nil }, filelock.WithTimeout(time.Hour)))
			must(t, c.Do(ctx, func(ctx context.Context) error { // under another lock, too
				return l.Do(ctx, func(context.Context) error { return nil }, filelock.WithTimeout(time.Hour))
			}))
			must(t, l.ForceRelease(ctx))
		}
		hb := acquire(t, bg, b)
		must(t, a.Do(bg, func(ctx context.Context) error {
			go b.Do(ctx, func(ctx context.Context) error { nests(b, ctx); return nil }) // waits for b
			l := made(t, "d")
			go l.Do(ctx, func(ctx context.Context) error { nests(l, ctx); return nil })
			synctest.Wait()
			return nil
		}))
		must(t, hb.Release())
		time.Sleep(24 * time.Hour)
	})
}

// TestWorkerDoesNotNestInWhatItWasStartedUnder has its owner be its own.
func TestWorkerDoesNotNestInWhatItWasStartedUnder(t *testing.T) {
	l := made(t, "")
	must(t, l.Do(bg, func(ctx context.Context) error {
		for _, o := range []*filelock.Owner{filelock.NewOwner("worker"), nil} {
			worker := filelock.WithOwner(ctx, o)
			_, err := l.TryAcquire(worker)
			want(t, err, filelock.ErrLocked)
			if got, ok := filelock.OwnerFrom(worker); ok != (o != nil) || got != o {
				t.Errorf("the worker's owner is %v, %v", got, ok)
			}
			if d := l.Depth(worker); d != 0 {
				t.Errorf("depth is %d", d)
			}
			want(t, l.ForceRelease(worker), filelock.ErrNotOwner)
		}
		return nil
	}))
}

func TestLossIsToldToAllWhoShare(t *testing.T) {
	g := &grant{}
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(g)}, filelock.Shared())
	first := acquire(t, ownedBy("first"), l)
	nested := acquire(t, first.Context(), l)
	want(t, l.Do(ownedBy("second"), func(context.Context) error {
		g.lost()
		return nil
	}), filelock.ErrLost)
	if _, err := l.TryAcquire(ownedBy("third")); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("a new reader of a lock that was lost: %v", err)
	}
	err := l.Do(context.WithoutCancel(first.Context()), func(context.Context) error { return nil })
	want(t, err, filelock.ErrLost)
	want(t, nested.Release(), filelock.ErrLost)
	want(t, first.Release(), filelock.ErrLost)
}

func TestForceReleaseEndsTheContexts(t *testing.T) {
	l := made(t, "")
	parent, cancel := context.WithCancel(ownedBy("o"))
	defer cancel()
	h := acquire(t, parent, l)
	h.Context().Done() // somebody asks for its end
	must(t, l.ForceRelease(h.Context()))
	if h.Context().Err() == nil {
		t.Error("the context still burdens the one it was made of")
	}
}

func TestContextsCanBePrinted(t *testing.T) {
	must(t, made(t, "").Do(filelock.WithOwner(bg, filelock.NewOwner("printer")), func(ctx context.Context) error {
		var wg sync.WaitGroup
		wg.Go(func() {
			if s := fmt.Sprint(ctx); s != "context.Background.WithOwner(printer).WithOwner(printer)" {
				t.Errorf("the context is %q", s)
			}
		})
		wg.Go(func() { ctx.Done() })
		wg.Wait()
		return nil
	}))
}

func TestSharedTryIsNotRefusedBehindAnotherTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdict := make(chan struct{})
		l := filelock.NewLock(&backend{key: t.Name(), acquire: func(context.Context, filelock.Request) (filelock.Grant, error) {
			<-verdict
			return &grant{}, nil
		}})
		var errs [3]error
		var holds [3]*filelock.Hold
		for i, mode := range []filelock.AcquireOption{filelock.Shared(), filelock.Exclusive(), filelock.Shared()} {
			go func() { holds[i], errs[i] = l.TryAcquire(bg, mode) }()
			synctest.Wait()
		}
		close(verdict)
		synctest.Wait()
		must(t, errs[0])
		want(t, errs[1], filelock.ErrLocked)
		must(t, errs[2])
		must(t, holds[0].Release())
		must(t, holds[2].Release())
	})
}

func TestInspectListsThisProcessOnce(t *testing.T) {
	b := &backend{key: t.Name(), acquire: always(&grant{})}
	l := filelock.NewLock(b)
	h := acquire(t, bg, l)
	b.state = filelock.State{Held: true, Holders: []filelock.Holder{{PID: os.Getpid()}, {PID: 4242}}}
	s, err := l.Inspect(bg)
	if err != nil || len(s.Holders) != 2 || s.Holders[0].Since.IsZero() || s.Holders[1].PID != 4242 {
		t.Errorf("%+v, %v", s.Holders, err)
	}
	must(t, h.Release())
}

// TestLockIsKnownByItsContextWhenItsDirectoryIsGone has nobody find the lock by
// its path.
func TestLockIsKnownByItsContextWhenItsDirectoryIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	must(t, os.Mkdir(dir, 0o777))
	f := filelock.New(filepath.Join(dir, "x"))
	h := acquire(t, bg, f)
	if err := os.Rename(dir, dir+"2"); err != nil {
		must(t, h.Release())
		t.Skip("this system does not rename a directory with an open file")
	}
	nested := acquire(t, h.Context(), f)
	if d := f.Depth(h.Context()); d != 2 {
		t.Errorf("depth is %d", d)
	}
	must(t, nested.Release())
	must(t, f.ForceRelease(h.Context()))
}
