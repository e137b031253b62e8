package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// An acquisition is what happens between the call of Acquire and its return,
// if the call is not a nested one that the context alone decides.
type acquisition struct {
	lock   *core
	set    acquireSettings
	queue  *queue
	waiter *waiter
	start  time.Time

	// Once it has to wait:
	ctx    context.Context // ends with the caller's, or with the timeout
	cancel context.CancelFunc
	news   *news
}

// acquire gets a hold for owner: a new tenure, or one more hold of a tenure
// that the owner has.
func (l *core) acquire(ctx context.Context, owner *Owner, set acquireSettings) (_ *tenure, err error) {
	if l.misuse != nil {
		return nil, l.fail("acquire", l.misuse)
	}
	if ctx.Err() != nil {
		return nil, l.fail("acquire", contextError(ctx))
	}
	key, err := l.key(ctx)
	if err != nil {
		return nil, l.fail("acquire", err)
	}
	a := acquisition{lock: l, set: set, queue: queueFor(key), start: time.Now()}
	a.waiter = &waiter{lock: l, owner: owner, shared: set.shared, try: set.once()}
	a.waiter.unlimited = !a.waiter.try && set.timeout < 0 && !hasDeadline(ctx)

	t, err := a.run(ctx)
	if err != nil {
		return nil, a.explain(ctx, err)
	}
	return t, nil
}

func hasDeadline(ctx context.Context) bool {
	_, ok := ctx.Deadline()
	return ok
}

// once reports whether one attempt is all that is wanted.
func (s *acquireSettings) once() bool { return s.nonBlocking || s.timeout == 0 }

// key asks the backend for the lock's key, and has made what it lacks.
func (l *core) key(ctx context.Context) (string, error) {
	key, err := l.backend.Key(ctx)
	if p, ok := l.backend.(Preparer); ok && errors.Is(err, fs.ErrNotExist) {
		if err := p.Prepare(ctx); err != nil {
			return "", err
		}
		return l.backend.Key(ctx)
	}
	return key, err
}

// run joins the queue and leaves it with the lock or without. Its reference to
// the queue passes to the tenure, if that is a new one.
func (a *acquisition) run(ctx context.Context) (t *tenure, err error) {
	began := false
	defer func() { // also if the backend panics or ends the goroutine
		a.stopWaiting()
		if t == nil {
			a.queue.leave(a.waiter)
		}
		if !began {
			a.queue.drop()
		}
	}()
	v := a.queue.push(a.waiter)
	if v.outcome == pending {
		v = a.await(ctx)
	}
	if v.outcome == turn {
		g, err := a.ask(ctx)
		if err == nil && g == nil {
			err = invalid("the backend %T returned neither a grant nor an error", a.lock.backend)
		}
		if err != nil {
			return nil, err
		}
		v = verdict{outcome: entered, tenure: a.queue.take(a.waiter, g)}
	}
	if v.tenure != nil && !v.nested {
		began = true
		a.lock.log(ctx, "acquired")
	}
	return v.tenure, v.err
}

// await waits for a verdict on a place in the queue.
func (a *acquisition) await(ctx context.Context) verdict {
	if !a.waiter.try { // otherwise one comes at once
		if err := a.startWaiting(ctx); err != nil {
			return a.standDown(err)
		}
		ctx = a.ctx
	}
	select {
	case <-a.waiter.ready:
		return a.queue.verdictOf(a.waiter)
	case <-ctx.Done():
		return a.standDown(a.waitError(ctx))
	}
}

// standDown gives up for the reason err, unless the verdict has just been
// given.
func (a *acquisition) standDown(err error) verdict {
	if v := a.queue.leave(a.waiter); v.outcome == entered || v.outcome == refused {
		return v
	}
	return verdict{outcome: refused, err: err}
}

// ask gets the lock from the backend. It first tries once, so that it is soon
// known, to others in the queue as well, whether there is a wait.
func (a *acquisition) ask(ctx context.Context) (Grant, error) {
	if err := a.queue.settleDebts(); err != nil {
		return nil, fmt.Errorf("an earlier release failed, and fails again: %w", err)
	}
	b := a.lock.backend
	r := Request{Shared: a.set.shared, NoWait: true, PollInterval: a.set.interval, Owner: a.waiter.owner.name}
	g, err := b.Acquire(ctx, r)
	if !errors.Is(err, ErrLocked) || a.set.once() {
		return g, err
	}
	a.queue.refuse()
	if i, ok := b.(Identifier); ok {
		if id, err := i.Identify(ctx); err == nil {
			if err := a.queue.standsBehind(id, a.waiter); err != nil {
				return nil, err
			}
		}
	}
	if err := a.startWaiting(ctx); err != nil {
		return nil, err
	}
	r.NoWait = false
	g, err = b.Acquire(a.ctx, r)
	if err != nil && a.ctx.Err() != nil {
		err = a.waitError(a.ctx)
	}
	return g, err
}

// startWaiting makes ready for a wait of unknown length.
func (a *acquisition) startWaiting(ctx context.Context) error {
	if a.ctx != nil {
		return nil
	}
	a.ctx, a.cancel = ctx, func() {}
	if a.set.timeout > 0 {
		a.ctx, a.cancel = context.WithDeadlineCause(ctx, a.start.Add(a.set.timeout), ErrTimeout)
	}
	a.lock.log(ctx, "waiting")
	a.news = a.announce()
	if a.waiter.unlimited {
		return a.queue.waitBegins(a.waiter.owner)
	}
	return nil
}

func (a *acquisition) stopWaiting() {
	if a.ctx == nil {
		return
	}
	a.cancel()
	a.news.stop()
	if a.waiter.unlimited {
		a.queue.waitEnds(a.waiter.owner)
	}
}

// waitError says why a wait with ctx has ended without the lock.
func (a *acquisition) waitError(ctx context.Context) error {
	err := contextError(ctx)
	switch {
	case context.Cause(ctx) == ErrTimeout:
		return ErrTimeout // ours, of which the caller's context knows nothing
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// contextError returns the error of an ended context, with its cause if that
// says more.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// explain makes the error that the caller sees. Who holds the lock is found out
// now if the caller has waited, and otherwise when somebody asks.
func (a *acquisition) explain(ctx context.Context, err error) error {
	e := &LockError{Op: "acquire", Path: a.lock.path, Err: err}
	waited := a.ctx != nil
	if waited {
		e.Waited = time.Since(a.start)
		a.lock.log(ctx, "gave up")
	}
	if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrDeadlock) && !(waited && ctx.Err() != nil) {
		return e
	}
	ctx = context.WithoutCancel(ctx)
	e.holder = sync.OnceValues(func() (Holder, bool) { return a.lock.holder(ctx) })
	if waited {
		e.holder()
	}
	return e
}

// news tells the program's OnWait function of a wait, now and then.
type news struct {
	timer *time.Timer
	turn  chan struct{} // holds one element, which whoever calls or stops takes out
}

const (
	firstNews   = time.Second
	longestNews = 30 * time.Second
)

func (a *acquisition) announce() *news {
	tell := a.set.onWait
	if tell == nil {
		return nil
	}
	// A mutex would do, but a test with a fake clock could not see that
	// somebody who waits for it is idle.
	n, pause := &news{turn: make(chan struct{}, 1)}, firstNews
	ctx := context.WithoutCancel(a.ctx)
	n.timer = time.AfterFunc(pause, func() {
		if _, ok := <-n.turn; !ok {
			return // stopped
		}
		defer func() { n.turn <- struct{}{} }()
		info := WaitInfo{Path: a.lock.path, Waited: time.Since(a.start), Position: a.queue.position(a.waiter)}
		info.Holder, _ = a.lock.holder(ctx)
		tell(info)
		pause = min(2*pause, longestNews)
		n.timer.Reset(pause)
	})
	n.turn <- struct{}{} // now n.timer is set
	return n
}

// stop returns when no call is under way, and makes sure that none follows.
func (n *news) stop() {
	if n == nil {
		return
	}
	<-n.turn
	n.timer.Stop()
	close(n.turn)
}
