//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

// A world is one physical lock that fails at random, and that knows whether it
// is used as its contract says.
type world struct {
	t       *testing.T
	key     string
	out     atomic.Int32 // grants
	asking  atomic.Int32
	foreign atomic.Bool // somebody else has it
	kind    int         // of its grants
}

var errFlaky = errors.New("flaky")

func oneIn(n int) bool { return rand.IntN(n) == 0 }

func (w *world) Key(context.Context) (string, error) { return w.key, nil }
func (w *world) Path() string                        { return w.key }
func (w *world) Inspect(context.Context) (filelock.State, error) {
	return filelock.State{Held: w.foreign.Load()}, nil
}
func (w *world) Break(context.Context, filelock.State) error { return filelock.ErrUnsupported }

func (w *world) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if w.asking.Add(1) != 1 {
		w.t.Errorf("%s: two ask at once", w.key)
	}
	defer w.asking.Add(-1)
	for {
		if n := w.out.Load(); n != 0 {
			w.t.Errorf("%s: asked while %d grants are out", w.key, n)
		}
		switch {
		case oneIn(200):
			return nil, errFlaky
		case oneIn(300):
			panic(errFlaky)
		case oneIn(300):
			runtime.Goexit()
		case !w.foreign.Load():
			w.out.Add(1)
			g := &worldGrant{w: w}
			switch w.kind {
			case 0:
				return &losableWorldGrant{g, nil}, nil
			case 1:
				return &abandonableWorldGrant{g}, nil
			}
			return g, nil
		case r.NoWait:
			return nil, filelock.ErrLocked
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Microsecond):
		}
	}
}

type worldGrant struct {
	w    *world
	busy atomic.Int32
	gone atomic.Bool
}

func (g *worldGrant) Release(context.Context) error {
	if g.busy.Add(1) != 1 {
		g.w.t.Errorf("%s: two release at once", g.w.key)
	}
	defer g.busy.Add(-1)
	if oneIn(3) {
		runtime.Gosched()
	}
	if oneIn(20) {
		return errFlaky
	}
	g.end()
	if oneIn(20) {
		return filelock.Released(errFlaky)
	}
	return nil
}

func (g *worldGrant) end() {
	if g.gone.Swap(true) {
		g.w.t.Errorf("%s: given back twice", g.w.key)
		return
	}
	g.w.out.Add(-1)
}

type losableWorldGrant struct {
	*worldGrant
	lost func()
}

func (g *losableWorldGrant) OnLoss(lost func()) { g.lost = lost }

type abandonableWorldGrant struct{ *worldGrant }

func (g *abandonableWorldGrant) Abandon() error { g.end(); return nil }

// A ledger says who may be in.
type ledger struct {
	mu sync.Mutex
	in map[int]*entry
}

type entry struct {
	n      int
	shared bool
}

// enter notes that an owner has got in, which others must not prevent.
func (l *ledger) enter(t *testing.T, owner int, shared bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.in[owner]; e != nil {
		e.n++
		return
	}
	for other, e := range l.in {
		if !shared || !e.shared {
			t.Errorf("owner %d gets in, shared %v, and owner %d is, shared %v", owner, shared, other, e.shared)
		}
	}
	l.in[owner] = &entry{1, shared}
}

func (l *ledger) leave(owner int) (shared, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.in[owner]
	if e == nil {
		return false, false
	}
	if e.n--; e.n > 0 {
		return e.shared, false
	}
	delete(l.in, owner)
	return e.shared, true
}

func (l *ledger) forget(owner int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.in, owner)
}

// A player is an owner that does things at random, on one goroutine.
type player struct {
	t     *testing.T
	id    int
	ctx   context.Context
	holds []playerHold
}

type playerHold struct {
	world  *world
	ledger *ledger
	hold   *filelock.Hold
}

// apart runs f in a goroutine of its own, which may panic with errFlaky, or end
// itself.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil && r != errFlaky {
				panic(r)
			}
		}()
		f()
	}()
	<-done
}

// options returns how to wait, at random, and a context to do it with.
func (p *player) options(shared bool) (context.Context, context.CancelFunc, []filelock.AcquireOption) {
	var opts []filelock.AcquireOption
	if shared {
		opts = append(opts, filelock.Shared())
	}
	if oneIn(4) {
		opts = append(opts, filelock.OnWait(func(filelock.WaitInfo) {}))
	}
	soon := time.Duration(rand.IntN(300)) * time.Microsecond
	switch rand.IntN(6) {
	case 0:
		return p.ctx, func() {}, append(opts, filelock.WithTimeout(soon))
	case 1:
		return p.ctx, func() {}, append(opts, filelock.NonBlocking())
	case 2:
		ctx, cancel := context.WithTimeout(p.ctx, soon)
		return ctx, cancel, opts
	case 3:
		ctx, cancel := context.WithCancel(p.ctx)
		timer := time.AfterFunc(soon, cancel)
		return ctx, func() { timer.Stop(); cancel() }, opts
	}
	return p.ctx, func() {}, opts
}

func (p *player) play(worlds []*world, ledgers []*ledger) {
	for range 30 + rand.IntN(50) {
		i := rand.IntN(len(worlds))
		w, book := worlds[i], ledgers[i]
		l := filelock.NewLock(w)
		shared := oneIn(2)
		ctx, cancel, opts := p.options(shared)
		switch what := rand.IntN(10); {
		case what < 4:
			apart(func() {
				h, err := l.Acquire(ctx, opts...)
				if err == nil {
					book.enter(p.t, p.id, shared)
					p.holds = append(p.holds, playerHold{w, book, h})
				}
			})
		case what < 7 && len(p.holds) > 0:
			p.release(rand.IntN(len(p.holds)))
		case what < 9:
			apart(func() { p.do(ctx, l, book, shared, opts) })
		default:
			p.force(l, w, book)
		}
		cancel()
	}
	for len(p.holds) > 0 {
		p.release(0)
	}
}

func (p *player) do(ctx context.Context, l *filelock.Lock, book *ledger, shared bool, opts []filelock.AcquireOption) {
	l.Do(ctx, func(ctx context.Context) error {
		book.enter(p.t, p.id, shared)
		defer book.leave(p.id)
		if oneIn(3) {
			runtime.Gosched()
		}
		if oneIn(3) {
			if err := l.Do(ctx, func(context.Context) error { return nil }, filelock.Shared()); err != nil && ctx.Err() == nil {
				p.t.Errorf("nested: %v", err)
			}
		}
		switch rand.IntN(20) {
		case 0:
			panic(errFlaky)
		case 1:
			runtime.Goexit()
		}
		return nil
	}, opts...)
}

func (p *player) release(i int) {
	h := p.holds[i]
	p.holds = append(p.holds[:i], p.holds[i+1:]...)
	for {
		shared, last := h.ledger.leave(p.id)
		err := h.hold.Release()
		if err == nil {
			return
		}
		if !errors.Is(err, errFlaky) || !last {
			p.t.Errorf("release, the last one %v: %v", last, err)
			return
		}
		if filelock.NewLock(h.world).Depth(p.ctx) == 0 { // given back all the same
			if err := h.hold.Release(); !errors.Is(err, filelock.ErrNotHeld) {
				p.t.Errorf("release of what is over: %v", err)
			}
			return
		}
		h.ledger.enter(p.t, p.id, shared)
	}
}

func (p *player) force(l *filelock.Lock, w *world, book *ledger) {
	book.forget(p.id)
	for {
		err := l.ForceRelease(p.ctx)
		if l.Depth(p.ctx) == 0 {
			break
		}
		if !errors.Is(err, errFlaky) {
			p.t.Errorf("holds go on after ForceRelease: %v", err)
		}
	}
	var kept []playerHold
	for _, h := range p.holds {
		if h.world != w {
			kept = append(kept, h)
		} else if err := h.hold.Release(); !errors.Is(err, filelock.ErrNotHeld) {
			p.t.Errorf("release after ForceRelease: %v", err)
		}
	}
	p.holds = kept
}

// TestManyOwnersAtRandom compares what they get with what they may get, and
// makes sure that nobody is forgotten and nothing is left.
func TestManyOwnersAtRandom(t *testing.T) {
	end := time.Now().Add(locktest.Seconds(t, 1))
	n := 0
	for ; time.Now().Before(end) && !t.Failed(); n++ {
		before := filelock.Queues()
		var worlds []*world
		var ledgers []*ledger
		for i := range 1 + rand.IntN(3) {
			worlds = append(worlds, &world{t: t, key: fmt.Sprintf("%s %d %d", t.Name(), n, i), kind: rand.IntN(4)})
			ledgers = append(ledgers, &ledger{in: map[int]*entry{}})
		}
		stop, outside := make(chan struct{}), sync.WaitGroup{}
		outside.Go(func() { somebodyElse(worlds, stop) })
		var players sync.WaitGroup
		for id := range 2 + rand.IntN(6) {
			p := &player{t: t, id: id, ctx: ownedBy(fmt.Sprint(id))}
			players.Go(func() { p.play(worlds, ledgers) })
		}
		done := make(chan struct{})
		go func() { players.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			stacks := make([]byte, 1<<20)
			t.Fatalf("somebody waits for ever:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
		close(stop)
		outside.Wait()
		for filelock.ReleaseAll() != nil {
			continue // debts
		}
		for i, w := range worlds {
			if out := w.out.Load(); out != 0 || len(ledgers[i].in) != 0 {
				t.Errorf("%s: %d grants are out, %v are in", w.key, out, ledgers[i].in)
			}
		}
		if now := filelock.Queues(); now != before {
			t.Errorf("there are %d queues more", now-before)
		}
	}
	t.Logf("%d rounds", n)
}

// somebodyElse has the locks now and then, when nobody of this process does.
func somebodyElse(worlds []*world, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
		}
		w := worlds[rand.IntN(len(worlds))]
		if w.out.Load() == 0 {
			w.foreign.Store(true)
			time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
			w.foreign.Store(false)
		}
	}
}
