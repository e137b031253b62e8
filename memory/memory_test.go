package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/memory"
)

func TestMain(m *testing.M) { verify.Main(m) }

func TestContract(t *testing.T) {
	process := new(memory.Space).Process(filelock.Holder{})
	locktest.Run(t, locktest.Kind{
		Name: "memory",
		New: func(name string, opts ...filelock.FileOption) locktest.Lock {
			return process.Lock(name, locktest.Options(opts)...)
		},
		CanShare: true, CanBreak: true, NoFile: true, NoOthers: true, HasTokens: true,
	})
}

var (
	bg     = context.Background()
	backup = filelock.Holder{PID: 4242, Command: "backup --full"}
)

// two returns two processes of one space.
func two() (here, there *memory.Process) {
	space := new(memory.Space)
	return space.Process(filelock.Holder{}), space.Process(backup)
}

var must, want = verify.NoError, verify.Is

func acquire(t testing.TB, l *filelock.Lock, opts ...filelock.AcquireOption) *filelock.Hold {
	t.Helper()
	h, err := l.TryAcquire(bg, opts...)
	must(t, err)
	return h
}

// wantFree fails the test unless the lock can be had, by one who breaks nothing.
func wantFree(t testing.TB, l *filelock.Lock) {
	t.Helper()
	must(t, acquire(t, l).Release())
}

func TestProcessesExcludeEachOther(t *testing.T) {
	here, there := two()
	h := acquire(t, there.Lock("x"))
	_, err := here.Lock("x").TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if text := err.Error(); !strings.HasPrefix(text, "x: locked by pid 4242 (backup --full), held since ") {
		t.Errorf("the error is %q", text)
	}
	_, err = here.Lock("x").Acquire(h.Context(), filelock.NonBlocking())
	want(t, err, filelock.ErrLocked) // no owner is in two processes
	wantFree(t, here.Lock("y"))
	wantFree(t, new(memory.Space).Process(backup).Lock("x"))
	wantFree(t, memory.New("x"))
	must(t, h.Release())
	wantFree(t, here.Lock("x"))
}

// TestLaw13LostHoldIsNoLongerInspected looks at a lock from the process that has
// lost it to another.
func TestLaw13LostHoldIsNoLongerInspected(t *testing.T) {
	here, there := two()
	lost := acquire(t, here.Lock("x"))
	s, err := there.Lock("x").Inspect(t.Context())
	must(t, err)
	must(t, there.Lock("x").Break(t.Context(), s))
	s, err = here.Lock("x").Inspect(t.Context())
	must(t, err)
	if s.Held {
		t.Errorf("it is held by %v", s.Holders)
	}
	h := acquire(t, there.Lock("x"))
	s, err = here.Lock("x").Inspect(t.Context())
	must(t, err)
	if len(s.Holders) != 1 || s.Holders[0].PID != 4242 {
		t.Errorf("it is held by %v", s.Holders)
	}
	want(t, lost.Release(), filelock.ErrLost)
	must(t, h.Release())
}

func TestTimeIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := two()
		h := acquire(t, there.Lock("x"))
		start := time.Now()
		_, err := here.Lock("x").Acquire(t.Context(), filelock.WithTimeout(time.Hour))
		want(t, err, filelock.ErrTimeout)
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("an hour took %v", waited)
		}
		time.AfterFunc(24*time.Hour, func() { h.Release() })
		late, err := here.Lock("x").Acquire(t.Context())
		must(t, err)
		if waited := time.Since(start); waited != 25*time.Hour {
			t.Errorf("the lock was had after %v", waited)
		}
		must(t, late.Release())
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		space := new(memory.Space)
		h := acquire(t, space.Process(backup).Lock("x"))
		var order []int
		var tokens []uint64
		for i := range 20 {
			go func() {
				h, err := space.Process(filelock.Holder{}).Lock("x").Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				order, tokens = append(order, i), append(tokens, h.Token())
				if err := h.Release(); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		must(t, h.Release())
		synctest.Wait()
		if len(order) != 20 || !slices.IsSorted(order) {
			t.Errorf("the order was %v", order)
		}
		if len(tokens) != 20 || !slices.IsSorted(tokens) || tokens[0] <= 1 {
			t.Errorf("the tokens were %v", tokens)
		}
	})
}

func TestReadersShareAndDoNotOvertakeAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := two()
		a, b := acquire(t, here.Lock("x"), filelock.Shared()), acquire(t, there.Lock("x"), filelock.Shared())
		s, err := here.Lock("x").Inspect(bg)
		if err != nil || !s.Held || !s.Shared || s.Token != b.Token() || len(s.Holders) != 2 ||
			s.Holders[0].PID != os.Getpid() || s.Holders[1].PID != backup.PID {
			t.Errorf("two share it: %+v, %v", s, err)
		}
		must(t, b.Release())

		wait := func(opts ...filelock.AcquireOption) (cancel func(), done chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			done = make(chan error, 1)
			go func() {
				done <- there.Lock("x", filelock.WithoutNesting()).Do(ctx, func(context.Context) error { return nil }, opts...)
			}()
			synctest.Wait()
			return cancel, done
		}
		cancel, written := wait()
		_, err = there.Lock("x").TryAcquire(bg, filelock.Shared())
		want(t, err, filelock.ErrLocked)
		stop, read := wait(filelock.Shared())
		cancel()
		want(t, <-written, context.Canceled)
		must(t, <-read) // shares it with a, now that nobody is ahead
		must(t, a.Release())
		stop()
	})
}

// TestLaw02StrangersNeverHoldTogether has owners of several processes do all
// that they can do.
func TestLaw02StrangersNeverHoldTogether(t *testing.T) {
	var space memory.Space
	var readers, writers, reads, writes atomic.Int32
	var latest atomic.Uint64
	var all sync.WaitGroup
	work := func(l *filelock.Lock) error {
		shared := rand.IntN(2) == 0
		ctx, cancel := context.WithTimeout(bg, time.Duration(rand.IntN(200))*time.Microsecond)
		defer cancel()
		if rand.IntN(3) == 0 {
			ctx = bg
		}
		opts := []filelock.AcquireOption{filelock.Exclusive()}
		if shared {
			opts[0] = filelock.Shared()
		}
		h, err := l.Acquire(ctx, opts...)
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		}
		if shared {
			readers.Add(1)
			if writers.Load() != 0 {
				t.Error("a reader beside a writer")
			}
			readers.Add(-1)
			reads.Add(1)
			return h.Release()
		}
		if writers.Add(1) != 1 || readers.Load() != 0 {
			t.Error("a writer beside others")
		}
		if latest.Swap(h.Token()) >= h.Token() {
			t.Error("the token has not risen")
		}
		writers.Add(-1)
		writes.Add(1)
		return h.Release()
	}
	for range 4 {
		process := space.Process(filelock.Holder{})
		for range 4 {
			all.Go(func() {
				for range 500 {
					if err := work(process.Lock("x")); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	if reads.Load() == 0 || writes.Load() == 0 {
		t.Errorf("%d reads, %d writes", reads.Load(), writes.Load())
	}
	wantFree(t, space.Process(backup).Lock("x"))
}

func TestLaw07BreakEndsTheHoldThatWasInspected(t *testing.T) {
	here, there := two()
	mine, theirs := here.Lock("x"), there.Lock("x")
	first := acquire(t, theirs)
	s, err := mine.Inspect(bg)
	must(t, err)
	if s.Token != first.Token() || len(s.Holders) != 1 || s.Holders[0].PID != backup.PID || s.Holders[0].Since.IsZero() {
		t.Errorf("the state is %+v", s)
	}
	must(t, first.Release())
	want(t, mine.Break(bg, s), filelock.ErrLost) // nobody has it
	second := acquire(t, theirs)
	want(t, mine.Break(bg, s), filelock.ErrLost) // the same process has it again
	elsewhere := acquire(t, here.Lock("y"))
	s, err = here.Lock("y").Inspect(bg)
	must(t, err)
	want(t, mine.Break(bg, s), filelock.ErrLost) // of another lock
	want(t, mine.Break(bg, filelock.State{Held: true}), fs.ErrInvalid)
	for _, h := range []*filelock.Hold{second, elsewhere} {
		if h.Context().Err() != nil {
			t.Error("a hold was ended that was not inspected")
		}
		must(t, h.Release())
	}
}

func TestLaw13LossIsTold(t *testing.T) {
	here, there := two()
	job := errors.New("the job's own")
	err := here.Lock("x").Do(bg, func(ctx context.Context) error {
		s, err := there.Lock("x").Inspect(bg)
		must(t, err)
		must(t, there.Lock("x").Break(bg, s))
		<-ctx.Done()
		want(t, context.Cause(ctx), filelock.ErrLost)
		wantFree(t, there.Lock("x"))
		return job
	})
	want(t, err, job, filelock.ErrLost)
	wantFree(t, here.Lock("x"))
}

// TestLaw13AllReadersAreTold breaks a lock that several share.
func TestLaw13AllReadersAreTold(t *testing.T) {
	here, there := two()
	a, b := acquire(t, here.Lock("x"), filelock.Shared()), acquire(t, there.Lock("x"), filelock.Shared())
	s, err := here.Lock("x").Inspect(bg)
	must(t, err)
	must(t, b.Release())
	b = acquire(t, there.Lock("x"), filelock.Shared())
	must(t, here.Lock("x").Break(bg, s))
	<-a.Lost()
	want(t, a.Release(), filelock.ErrLost)
	must(t, b.Release()) // began after the look
}

// TestLaw17CancelledAcquisitionHoldsNothing ends a wait when the lock comes.
func TestLaw17CancelledAcquisitionHoldsNothing(t *testing.T) {
	got, ended := 0, 0
	for range 2000 {
		here, there := two()
		h := acquire(t, there.Lock("x"))
		ctx, cancel := context.WithCancel(bg)
		verdict := make(chan error)
		go func() {
			h, err := here.Lock("x").Acquire(ctx)
			if err == nil {
				err = h.Release()
				got++
			} else {
				ended++
				want(t, err, context.Canceled)
				err = nil
			}
			verdict <- err
		}()
		go cancel()
		must(t, h.Release())
		must(t, <-verdict)
		wantFree(t, there.Lock("x"))
	}
	t.Logf("%d got it, %d gave up", got, ended)
}

func TestLaw18FailedReleaseIsReportedAndCanBeRepeated(t *testing.T) {
	here, there := two()
	failure := errors.New("the network is down")
	fails := true
	here.Intercept(func(op, name string) error {
		if op == "release" && name == "x" && fails {
			return failure
		}
		return nil
	})
	h := acquire(t, here.Lock("x"))
	want(t, h.Release(), failure)
	_, err := there.Lock("x").TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	wantFree(t, here.Lock("y"))
	fails = false
	must(t, h.Release())
	wantFree(t, there.Lock("x"))
}

func TestInterceptedOperationsFail(t *testing.T) {
	here, there := two()
	var asked []string
	here.Intercept(func(op, name string) error {
		asked = append(asked, op+" "+name)
		return fs.ErrPermission
	})
	l := here.Lock("x")
	_, err := l.Acquire(bg)
	want(t, err, fs.ErrPermission)
	_, err = l.Inspect(bg)
	want(t, err, fs.ErrPermission)
	want(t, l.Break(bg, filelock.State{Held: true}), fs.ErrPermission)
	if got := fmt.Sprint(asked); got != "[acquire x inspect x break x]" {
		t.Errorf("it was asked for %s", got)
	}
	wantFree(t, there.Lock("x"))
	here.Intercept(nil)
	wantFree(t, l)
}

// TestInterceptMayWait has nobody else wait for what it delays.
func TestInterceptMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := two()
		here.Intercept(func(string, string) error {
			time.Sleep(time.Minute)
			wantFree(t, there.Lock("y"))
			return nil
		})
		start := time.Now()
		must(t, here.Lock("x").Do(t.Context(), func(context.Context) error { return nil }))
		if took := time.Since(start); took != 2*time.Minute {
			t.Errorf("to acquire and to release took %v", took)
		}
	})
}
