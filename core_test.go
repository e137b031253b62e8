//go:build unix || windows

package filelock_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

// A backend is a lock without a file, that does as its fields say.
type backend struct {
	key     string
	acquire func(ctx context.Context, r filelock.Request) (filelock.Grant, error)
	state   filelock.State
}

func (b *backend) Key(context.Context) (string, error) { return b.key, nil }
func (b *backend) Path() string                        { return b.key }

func (b *backend) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	return b.acquire(ctx, r)
}

func (b *backend) Inspect(context.Context) (filelock.State, error) { return b.state, nil }
func (b *backend) Break(_ context.Context, s filelock.State) error {
	if s.Evidence() != b.state.Evidence() {
		return filelock.ErrLost
	}
	return nil
}

// A grant is what a backend gives, and does as its fields say.
type grant struct {
	release func() error
	lost    func()
}

func (g *grant) Release(context.Context) error {
	if g.release == nil {
		return nil
	}
	return g.release()
}

func (g *grant) OnLoss(lost func()) { g.lost = lost }
func (g *grant) Token() uint64      { return 42 }

// always gives the same grant at once.
func always(g filelock.Grant) func(context.Context, filelock.Request) (filelock.Grant, error) {
	return func(context.Context, filelock.Request) (filelock.Grant, error) { return g, nil }
}

// never waits for the context's end.
func never(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if r.NoWait {
		return nil, filelock.ErrLocked
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestOnWaitIsCalledNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		l := filelock.NewLock(&backend{key: t.Name(), acquire: never, state: filelock.State{
			Held: true, Holders: []filelock.Holder{{PID: 4242}},
		}}, filelock.OnWait(func(w filelock.WaitInfo) {
			at = append(at, time.Since(start))
			if w.Path != t.Name() || w.Holder.PID != 4242 || w.Waited != time.Since(start) || w.Position != 0 {
				t.Errorf("after %v: %+v", time.Since(start), w)
			}
		}))
		_, err := l.Acquire(t.Context(), filelock.WithTimeout(100*time.Second))
		want(t, err, filelock.ErrTimeout)
		if time.Since(start) != 100*time.Second {
			t.Errorf("the wait took %v", time.Since(start))
		}
		if text := err.Error(); text != t.Name()+": still locked after 1m40s by pid 4242" {
			t.Errorf("the error is %q", text)
		}
		time.Sleep(time.Hour) // nothing more comes
		const s = time.Second
		if want := []time.Duration{s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s}; !equal(at, want) {
			t.Errorf("it was called at %v, want %v", at, want)
		}
	})
}

func equal(a, b []time.Duration) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestOnWaitTellsThePositionInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{})})
		h, err := l.Acquire(filelock.WithOwner(t.Context(), filelock.NewOwner("first")))
		must(t, err)
		for i := range 3 {
			go func() {
				told := false
				h, err := l.Acquire(t.Context(), filelock.OnWait(func(w filelock.WaitInfo) {
					told = true
					if w.Position != i || w.Holder.PID != os.Getpid() || w.Holder.Owner != "first" {
						t.Errorf("waiter %d: %+v", i, w)
					}
				}))
				if err != nil || !told {
					t.Errorf("waiter %d: %v, told %v", i, err, told)
				}
				h.Release()
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		must(t, h.Release())
		synctest.Wait()
	})
}

func TestAcquisitionWaitsForACallOfOnWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: never})
		called := false
		ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
		defer cancel()
		_, err := l.Acquire(ctx, filelock.OnWait(func(filelock.WaitInfo) {
			time.Sleep(time.Minute)
			called = true
		}))
		want(t, err, context.DeadlineExceeded)
		if !called {
			t.Error("the acquisition returned while OnWait's function was running")
		}
	})
}

func TestTryWaitsForTheVerdictOfAnother(t *testing.T) {
	for _, outcome := range []error{nil, filelock.ErrLocked, errors.New("broken")} {
		synctest.Test(t, func(t *testing.T) {
			verdict := make(chan error)
			attempts := 0
			l := filelock.NewLock(&backend{key: t.Name(), acquire: func(context.Context, filelock.Request) (filelock.Grant, error) {
				attempts++
				if attempts > 1 {
					return &grant{}, nil
				}
				if err := <-verdict; err != nil {
					return nil, err
				}
				return &grant{}, nil
			}})
			first, second := make(chan error), make(chan error)
			var h *filelock.Hold
			go func() {
				var err error
				h, err = l.TryAcquire(t.Context())
				first <- err
			}()
			synctest.Wait()
			go func() {
				h, err := l.TryAcquire(t.Context())
				if err == nil {
					h.Release()
				}
				second <- err
			}()
			synctest.Wait() // it does not say ErrLocked of a lock that may be free
			verdict <- outcome
			if err := <-first; !errors.Is(err, outcome) {
				t.Errorf("the first: %v, want %v", err, outcome)
			}
			err := <-second
			if (outcome == nil) != errors.Is(err, filelock.ErrLocked) {
				t.Errorf("after %v the second: %v", outcome, err)
			}
			if h != nil {
				must(t, h.Release())
			}
		})
	}
}

// TestTryIsRefusedBehindAWaiter has somebody ahead who has been told that the
// lock is taken.
func TestTryIsRefusedBehindAWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := filelock.NewLock(&backend{key: t.Name(), acquire: never})
		ctx, cancel := context.WithCancel(t.Context())
		go l.Acquire(ctx)
		synctest.Wait()
		_, err := l.TryAcquire(t.Context())
		want(t, err, filelock.ErrLocked)
		cancel()
		synctest.Wait()
	})
}

func TestPanickingBackendDoesNotBlockTheQueue(t *testing.T) {
	panics := true
	b := &backend{key: t.Name(), acquire: func(context.Context, filelock.Request) (filelock.Grant, error) {
		if panics {
			panic("boo")
		}
		return &grant{}, nil
	}}
	l := filelock.NewLock(b)
	func() {
		defer func() { recover() }()
		l.TryAcquire(bg)
		t.Error("no panic")
	}()
	panics = false
	h, err := l.TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
}

func TestLossIsTold(t *testing.T) {
	g := &grant{}
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(g)})
	own := errors.New("the function's")
	err := l.Do(bg, func(ctx context.Context) error {
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		if ctx.Err() != nil {
			t.Error("the context ended early")
		}
		g.lost()
		g.lost() // harmless
		<-derived.Done()
		for _, ctx := range []context.Context{ctx, derived} {
			if cause := context.Cause(ctx); !errors.Is(cause, filelock.ErrLost) {
				t.Errorf("the cause is %v", cause)
			}
		}
		err := l.Do(ctx, func(context.Context) error { t.Error("nested in nothing"); return nil })
		want(t, err, context.Canceled, filelock.ErrLost)
		return own
	})
	want(t, err, own, filelock.ErrLost)
	if l.Held() {
		t.Error("it is still held")
	}
}

func TestLossBeforeTheContextIsLookedAt(t *testing.T) {
	g := &grant{}
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(g)})
	h, err := l.Acquire(bg)
	must(t, err)
	g.lost()
	nested, err := l.Acquire(context.WithoutCancel(h.Context()))
	want(t, err, filelock.ErrLost)
	if nested != nil {
		t.Error("nested in nothing")
	}
	<-h.Lost()
	if !errors.Is(context.Cause(h.Context()), filelock.ErrLost) || h.Context().Err() == nil {
		t.Error("the context does not know")
	}
	want(t, h.Release(), filelock.ErrLost)
}

// TestHoldContextOutlivesItsHold has three sorts of contexts that a hold's is
// made of, and whether anybody had asked for its end before.
func TestHoldContextOutlivesItsHold(t *testing.T) {
	type key struct{}
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{})})
	for _, asked := range []bool{false, true} {
		for _, cancellable := range []bool{false, true} {
			parent, cancel := context.WithValue(bg, key{}, 1), context.CancelFunc(func() {})
			if cancellable {
				parent, cancel = context.WithCancel(parent)
			}
			h, err := l.Acquire(parent)
			must(t, err)
			if asked {
				h.Context().Done()
			}
			must(t, h.Release())
			ctx := h.Context()
			if ended := ctx.Err() != nil; ended != (asked && cancellable) {
				t.Errorf("asked %v, cancellable %v: ended %v", asked, cancellable, ended)
			}
			if ctx.Value(key{}) != 1 {
				t.Error("its values are gone")
			}
			cancel()
			if cancellable {
				<-ctx.Done()
			}
		}
	}
}

func TestTokenIsTheGrants(t *testing.T) {
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{})})
	h, err := l.Acquire(bg)
	must(t, err)
	if h.Token() != 42 || h.File() != nil {
		t.Errorf("token %d, file %v", h.Token(), h.File())
	}
	must(t, h.Release())
	if h.Token() != 0 {
		t.Errorf("after its end the token is %d", h.Token())
	}
}

func TestReleasedButNotQuite(t *testing.T) {
	failure := errors.New("on the way")
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error { return filelock.Released(failure) }})})
	h, err := l.Acquire(bg)
	must(t, err)
	want(t, h.Release(), failure)
	want(t, h.Release(), filelock.ErrNotHeld)
	if l.Held() {
		t.Error("it is still held")
	}
	if filelock.Released(nil) != nil {
		t.Error("no error is one")
	}
}

func TestDebtIsPaidByTheNextAcquisition(t *testing.T) {
	failure := errors.New("not now")
	releases := 0
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
		if releases++; releases <= 2 {
			return failure
		}
		return nil
	}})})
	want(t, l.Do(bg, func(context.Context) error { return nil }), failure)
	_, err := l.TryAcquire(bg)
	want(t, err, failure)
	h, err := l.TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
	if releases != 4 {
		t.Errorf("there were %d releases", releases)
	}
}

func TestDebtIsPaidByReleaseAll(t *testing.T) {
	failure := errors.New("not now")
	releases := 0
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
		if releases++; releases <= 2 {
			return failure
		}
		return nil
	}})})
	want(t, l.Do(bg, func(context.Context) error { return nil }), failure)
	want(t, filelock.ReleaseAll(), failure)
	must(t, filelock.ReleaseAll())
	if releases != 3 {
		t.Errorf("there were %d releases", releases)
	}
}

func TestPanicOutlivesAFailedRelease(t *testing.T) {
	var log bytes.Buffer
	failure := errors.New("not now")
	releases := 0
	l := filelock.NewLock(&backend{key: t.Name(), acquire: always(&grant{release: func() error {
		if releases++; releases == 1 {
			return failure
		}
		return nil
	}})}, filelock.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	func() {
		defer func() {
			if r := recover(); r != "boo" {
				t.Errorf("recovered %v", r)
			}
		}()
		l.Do(bg, func(context.Context) error { panic("boo") })
	}()
	if !strings.Contains(log.String(), "not now") {
		t.Errorf("nobody hears of the release: %q", log.String())
	}
	must(t, filelock.ReleaseAll())
}

func TestEveryTransitionIsLogged(t *testing.T) {
	var mu sync.Mutex
	var log bytes.Buffer
	handler := slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})
	l := filelock.New(lockPath(t), filelock.WithLogger(slog.New(handler)))
	must(t, l.Do(bg, func(ctx context.Context) error {
		l.TryAcquire(bg) // not worth a line
		l.Acquire(bg, filelock.WithTimeout(time.Millisecond))
		return l.Do(ctx, func(context.Context) error { return nil })
	}))
	var got []string
	for line := range strings.Lines(log.String()) {
		for _, part := range strings.Fields(line) {
			if msg, ok := strings.CutPrefix(part, "msg="); ok {
				got = append(got, strings.Trim(msg, `"`))
			}
		}
		if !strings.Contains(line, "path=") || !strings.Contains(line, "level=DEBUG") {
			t.Errorf("line %q", line)
		}
	}
	if s := strings.Join(got, " "); s != "acquired waiting gave released" {
		t.Errorf("the log says %q", s)
	}

	old := slog.Default()
	defer slog.SetDefault(old)
	log.Reset()
	slog.SetDefault(slog.New(handler))
	must(t, filelock.New(lockPath(t)).Do(bg, func(context.Context) error { return nil }))
	if !strings.Contains(log.String(), "logger=filelock") {
		t.Errorf("the default logger says %q", log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestBreakOfAnyKind(t *testing.T) {
	b := &backend{key: t.Name()}
	l := filelock.NewLock(b)
	b.state = filelock.State{Held: true}.WithEvidence(1)
	s, err := l.Inspect(bg)
	must(t, err)
	must(t, l.Break(bg, s))
	want(t, l.Break(bg, s.WithEvidence(2)), filelock.ErrLost)
	must(t, l.Break(bg, filelock.State{}))
}

func TestHolderInWords(t *testing.T) {
	host, err := os.Hostname()
	must(t, err)
	now := time.Now()
	today := now.Format(time.TimeOnly)
	past := time.Date(2001, 2, 3, 4, 5, 6, 0, time.Local)
	for _, c := range []struct {
		holder filelock.Holder
		want   string
	}{
		{filelock.Holder{}, "an unknown holder"},
		{filelock.Holder{PID: 1}, "pid 1"},
		{filelock.Holder{PID: 1, Host: host, Command: "backup --full", Started: now}, "pid 1 (backup --full), started " + today},
		{filelock.Holder{PID: 1, Host: "far", Since: past}, "pid 1 on far, held since 2001-02-03 04:05:06"},
	} {
		if got := c.holder.String(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.holder, got, c.want)
		}
	}
}

func TestErrorsInWords(t *testing.T) {
	for _, c := range []struct {
		err  *filelock.LockError
		want string
	}{
		{&filelock.LockError{Op: "release", Path: "x.lock", Err: filelock.ErrNotHeld}, "x.lock: release: not held"},
		{&filelock.LockError{Op: "acquire", Path: "x.lock", Err: os.ErrPermission}, "x.lock: acquire: permission denied"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if _, ok := c.err.Holder(); ok || c.err.Timeout() {
			t.Errorf("%q: a holder, or a timeout", c.want)
		}
	}
	ctx, cancel := context.WithCancelCause(bg)
	l := filelock.NewLock(&backend{
		key:   "x.lock",
		state: filelock.State{Holders: []filelock.Holder{{PID: 7}}},
		acquire: func(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
			if !r.NoWait {
				cancel(errors.New("shutting down"))
			}
			return never(ctx, r)
		},
	})
	_, err := l.Acquire(ctx)
	if got := err.Error(); !strings.HasPrefix(got, "x.lock: context canceled: shutting down after ") || !strings.HasSuffix(got, ", locked by pid 7") {
		t.Errorf("%q", got)
	}
	_, err = l.TryAcquire(bg)
	if got := err.Error(); got != "x.lock: locked by pid 7" {
		t.Errorf("%q", got)
	}
}

// TestOwnerIsAdmittedWithTheReaders has one owner wait twice, in front of a
// writer and behind it.
func TestOwnerIsAdmittedWithTheReaders(t *testing.T) {
	for _, k := range kinds() {
		if k.Name == "soft" {
			continue
		}
		path := lockPath(t)
		first := acquire(t, bg, k.New(path))
		o := ownedBy("o")
		type wait struct {
			ctx  context.Context
			opts []filelock.AcquireOption
		}
		shared := []filelock.AcquireOption{filelock.Shared()}
		got := make([]chan *filelock.Hold, 4)
		for i, w := range []wait{{bg, shared}, {o, shared}, {bg, nil}, {o, shared}} {
			waiting := make(chan struct{})
			got[i] = make(chan *filelock.Hold, 1)
			go func() {
				h, err := k.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Acquire(w.ctx, w.opts...)
				if err != nil {
					t.Error(err)
				}
				got[i] <- h
			}()
			<-waiting
		}
		must(t, first.Release())
		var holds []*filelock.Hold
		for _, i := range []int{0, 1, 3} {
			holds = append(holds, <-got[i])
		}
		for _, h := range holds {
			must(t, h.Release())
		}
		must(t, (<-got[2]).Release())
	}
}
