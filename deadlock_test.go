//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

// made returns a lock without a file that is free.
func made(t *testing.T, name string) *filelock.Lock {
	return filelock.NewLock(&backend{key: t.Name() + name, acquire: always(&grant{})})
}

// ownedBy returns a context with a new owner.
func ownedBy(name string) context.Context { return filelock.WithOwner(bg, filelock.NewOwner(name)) }

// acquire gets a hold that must be had.
func acquire(t *testing.T, ctx context.Context, l filelock.Locker, opts ...filelock.AcquireOption) *filelock.Hold {
	t.Helper()
	h, err := l.Acquire(ctx, opts...)
	must(t, err)
	return h
}

// linked makes a file with two names.
func linked(t *testing.T) (first, second string) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be linked under wine")
	}
	first = lockPath(t)
	second = first + "2"
	write(t, first, "")
	must(t, os.Link(first, second))
	return first, second
}

func TestCycleThroughASecondName(t *testing.T) {
	a, a2 := linked(t)
	b, b2 := linked(t)
	var wg, first sync.WaitGroup
	first.Add(2)
	errs := make([]error, 2)
	for i, names := range [][2]string{{a, b2}, {b, a2}} {
		wg.Go(func() {
			err := filelock.New(names[0]).Do(bg, func(ctx context.Context) error {
				first.Done()
				first.Wait()
				errs[i] = filelock.New(names[1]).Do(ctx, func(context.Context) error { return nil })
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if errors.Is(errs[0], filelock.ErrDeadlock) == errors.Is(errs[1], filelock.ErrDeadlock) {
		t.Errorf("one of them should be told of a deadlock: %v", errs)
	}
}

// TestCycleThroughASecondNameThatIsTakenLater has somebody outside hold the lock
// when the first wait begins.
func TestCycleThroughASecondNameThatIsTakenLater(t *testing.T) {
	a, a2 := linked(t)
	r := made(t, "r")
	x, o := ownedBy("x"), ownedBy("o")
	outside := flockKind.Elsewhere(t, a)
	hr := acquire(t, x, r)
	ctx, cancel := context.WithCancel(x)
	defer cancel()
	waiting, waited := make(chan struct{}), make(chan error, 2)
	go func() { // x, who has r, waits for the lock by its second name
		h, err := filelock.New(a2, filelock.WithLogger(locktest.WhenWaiting(waiting)), filelock.WithPollInterval(time.Hour)).Acquire(ctx)
		waited <- err // before anybody else can have it
		if err == nil {
			err = h.Release()
		}
		waited <- err
	}()
	<-waiting
	outside.Say("release")
	outside.Expect("done")
	h, err := filelock.New(a).TryAcquire(o)
	if errors.Is(err, filelock.ErrLocked) { // x was faster: nothing to see
		must(t, <-waited)
		must(t, <-waited)
		must(t, hr.Release())
		return
	}
	must(t, err)
	select {
	case err := <-waited: // x was so fast that it is done
		must(t, err)
		must(t, <-waited)
	default:
		_, err = r.Acquire(o) // who has it, waits for r
		want(t, err, filelock.ErrDeadlock)
		cancel()
		<-waited
		<-waited
	}
	must(t, h.Release())
	must(t, hr.Release())
}

// TestNoDeadlockAmongGoroutinesOfOneOwner has them take turns.
func TestNoDeadlockAmongGoroutinesOfOneOwner(t *testing.T) {
	for _, k := range kinds() {
		a, b := k.New(lockPath(t)), k.New(lockPath(t))
		must(t, a.Do(bg, func(ctx context.Context) error {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 100 {
						if err := b.Do(ctx, func(context.Context) error { return nil }); err != nil {
							t.Errorf("%s: %v", k.Name, err)
						}
					}
				})
			}
			wg.Wait()
			return nil
		}))
	}
}

// TestNoDeadlockWhileGivingBack has the lock be given back when the wait for it
// begins.
func TestNoDeadlockWhileGivingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
			time.Sleep(time.Second)
			return nil
		}})})
		r := made(t, "r")
		a, b := ownedBy("a"), ownedBy("b")
		hq, hr := acquire(t, a, q), acquire(t, b, r)
		go func() { must(t, acquire(t, a, r).Release()) }() // a waits for r
		go hq.Release()
		synctest.Wait()
		must(t, acquire(t, b, q).Release())
		must(t, hr.Release())
		synctest.Wait()
	})
}

// TestDeadlockOfAReleaseThatFails is the same, but the lock is not given back.
func TestDeadlockOfAReleaseThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := true
		q := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
			time.Sleep(time.Second)
			if failing {
				return errors.New("not now")
			}
			return nil
		}})})
		r := made(t, "r")
		a, b := ownedBy("a"), ownedBy("b")
		hq, hr := acquire(t, a, q), acquire(t, b, r)
		go func() { must(t, acquire(t, a, r).Release()) }()
		go hq.Release()
		synctest.Wait()
		_, err := q.Acquire(b)
		want(t, err, filelock.ErrDeadlock)
		failing = false
		must(t, hr.Release())
		must(t, hq.Release())
		synctest.Wait()
	})
}

// TestNoDeadlockBehindAWriterThatGivesUp has a reader wait for nobody but a
// writer with a limit.
func TestNoDeadlockBehindAWriterThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := made(t, "q"), made(t, "r")
		a, b := ownedBy("a"), ownedBy("b")
		hq, hr := acquire(t, a, q, filelock.Shared()), acquire(t, b, r)
		go func() { // a, who shares q, waits for r
			must(t, acquire(t, a, r).Release())
			must(t, hq.Release())
		}()
		synctest.Wait()
		go q.Acquire(ownedBy("writer"), filelock.WithTimeout(time.Second))
		synctest.Wait()
		must(t, acquire(t, b, q, filelock.Shared()).Release()) // b, who has r, is let in then
		must(t, hr.Release())
		synctest.Wait()
	})
}

// TestDeadlockBehindAWriterThatStays is the same, but the writer waits for ever.
func TestDeadlockBehindAWriterThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := made(t, "q"), made(t, "r")
		a, b := ownedBy("a"), ownedBy("b")
		hq, hr := acquire(t, a, q, filelock.Shared()), acquire(t, b, r)
		go func() {
			must(t, acquire(t, a, r).Release())
			must(t, hq.Release())
		}()
		synctest.Wait()
		go func() { must(t, acquire(t, ownedBy("writer"), q).Release()) }()
		synctest.Wait()
		_, err := q.Acquire(b, filelock.Shared())
		want(t, err, filelock.ErrDeadlock)
		must(t, hr.Release())
		synctest.Wait()
	})
}

// TestNoDeadlockAcrossGoroutinesInDo has two goroutines in one Do: the wait of
// one does not keep the other from releasing what it has.
func TestNoDeadlockAcrossGoroutinesInDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := made(t, "a"), made(t, "b"), made(t, "c")
		nothing := func(context.Context) error { return nil }
		var wg sync.WaitGroup
		wg.Go(func() {
			must(t, a.Do(bg, func(ctx context.Context) error {
				var both sync.WaitGroup
				both.Go(func() {
					must(t, b.Do(ctx, func(context.Context) error { time.Sleep(3 * time.Second); return nil }))
				})
				both.Go(func() {
					time.Sleep(time.Second)
					must(t, c.Do(ctx, nothing))
				})
				both.Wait()
				return nil
			}))
		})
		wg.Go(func() {
			must(t, c.Do(bg, func(ctx context.Context) error {
				time.Sleep(2 * time.Second)
				return b.Do(ctx, nothing) // free in a second
			}))
		})
		wg.Wait()
	})
}

// TestSharedOwnerIsNoCycle has somebody wait for everybody, and somebody of
// everybody for him: not the one that has the lock.
func TestSharedOwnerIsNoCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		everybodys := func(name string) *filelock.Lock {
			return filelock.NewLock(&backend{key: t.Name() + name, acquire: always(&grant{})}, filelock.WithSharedOwner())
		}
		ha, hb := acquire(t, bg, everybodys("a")), acquire(t, bg, made(t, "b"))
		go func() { must(t, acquire(t, hb.Context(), made(t, "a")).Release()) }()
		go func() { must(t, acquire(t, bg, everybodys("b")).Release()) }()
		synctest.Wait()
		must(t, ha.Release())
		synctest.Wait()
		must(t, hb.Release())
		synctest.Wait()
	})
}

func TestSharedOwnerByTwoNamesWaits(t *testing.T) {
	a, a2 := linked(t)
	h := acquire(t, bg, filelock.New(a, filelock.WithSharedOwner()))
	waiting, waited := make(chan struct{}), make(chan error)
	l := filelock.New(a2, filelock.WithSharedOwner(), filelock.WithLogger(locktest.WhenWaiting(waiting)))
	go func() { waited <- l.Do(bg, func(context.Context) error { return nil }) }()
	<-waiting
	must(t, h.Release())
	must(t, <-waited)
	// But under the lock it would be for itself.
	must(t, filelock.New(a, filelock.WithSharedOwner()).Do(bg, func(ctx context.Context) error {
		_, err := filelock.New(a2, filelock.WithSharedOwner()).Acquire(ctx)
		want(t, err, filelock.ErrDeadlock)
		return nil
	}))
}

// TestRefusedWaitLeavesOthersNoted has one goroutine of an owner be told of a
// deadlock while another waits for the same.
func TestRefusedWaitLeavesOthersNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := made(t, "q"), made(t, "r")
		a, b := ownedBy("a"), ownedBy("b")
		hq, hr := acquire(t, b, q), acquire(t, a, r)
		ctx, cancel := context.WithCancel(a)
		go q.Acquire(ctx) // a, who has r, waits for q, which b has
		synctest.Wait()
		for range 3 {
			_, err := r.Acquire(b)
			want(t, err, filelock.ErrDeadlock)
		}
		cancel()
		synctest.Wait()
		must(t, hq.Release())
		must(t, hr.Release())
	})
}

// TestBlockingAcquisitionIsNeverLocked has an owner's last hold end when another
// goroutine of that owner is about to nest.
func TestBlockingAcquisitionIsNeverLocked(t *testing.T) {
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{})}, filelock.WithSharedOwner())
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20000 {
				h, err := l.Acquire(bg)
				if err != nil {
					failed.Add(1)
					continue
				}
				h.Release()
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d acquisitions without a limit failed", n)
	}
}
