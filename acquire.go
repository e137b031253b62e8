package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/mark"
)

// An acquisition is what happens between the call of Acquire and its return,
// if it is not a nested one that the context alone decides.
type acquisition struct {
	lock    *core
	set     acquireSettings
	queue   *queue
	waiter  waiter
	start   time.Time
	waiting bool // others have been told so
	grant   Grant
	news    *news
}

// acquire gets a hold for owner: a new tenure, or one more hold of a tenure
// that the owner has.
//
// The new tenure is made in slot.
func (l *core) acquire(ctx context.Context, owner *Owner, set acquireSettings, slot *tenure) (*tenure, error) {
	a := &acquisition{lock: l, set: set}
	once := set.nonBlocking || set.timeout == 0
	if l.misuse != nil {
		return nil, a.explain(ctx, l.misuse)
	}
	if ctx.Err() != nil {
		return nil, a.explain(ctx, contextError(ctx))
	}
	a.waiter = waiter{
		lock: l, owner: owner, context: ownerContextOf(ctx), slot: slot,
		shared: set.shared, try: once, interval: set.interval,
	}
	_, limited := ctx.Deadline()
	switch {
	case once:
	case set.timeout > 0:
		a.start = time.Now()
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, a.start.Add(set.timeout), ErrTimeout)
		defer cancel()
	default:
		a.waiter.unlimited = !limited
	}
	key, err := l.key(ctx)
	if err != nil {
		return nil, a.explain(ctx, err)
	}
	a.queue = queueFor(key, l.latest.Load())
	t, err := a.run(ctx)
	if err != nil {
		return nil, a.explain(ctx, err)
	}
	return t, nil
}

// key asks the backend for the lock's key, and has made what it lacks.
func (l *core) key(ctx context.Context) (string, error) {
	key, err := l.backend.Key(ctx)
	if p, ok := l.backend.(PreparingBackend); ok && errors.Is(err, fs.ErrNotExist) {
		if err := p.Prepare(ctx); err != nil {
			return "", err
		}
		return l.backend.Key(ctx)
	}
	return key, err
}

// run joins the queue and leaves it with the lock or without. Its reference to
// the queue passes to the tenure, if that is a new one.
func (a *acquisition) run(ctx context.Context) (*tenure, error) {
	var v verdict
	returned := false
	defer func() { a.tidyUp(v, returned) }() // also if a backend panics, or ends the goroutine
	v = a.queue.push(&a.waiter)
	if v.outcome == pending {
		v = a.await(ctx)
	}
	if v.outcome == turn {
		v = a.ask(ctx)
	}
	if v.outcome == entered && !v.nested {
		a.lock.latest.Store(a.queue)
		a.lock.log(ctx, "acquired")
	}
	returned = true
	return v.tenure, v.err
}

// tidyUp ends what belongs to the acquisition and to nobody else.
func (a *acquisition) tidyUp(v verdict, returned bool) {
	if a.waiting && a.waiter.unlimited {
		a.waiter.waitEnds()
	}
	if v.outcome != entered {
		if a.grant != nil { // somebody panicked who had it in hand
			a.queue.owe(a.grant, a.lock)
		}
		a.queue.leave(&a.waiter)
	} else if !returned {
		v.tenure.leave(abandon)
	}
	if v.outcome != entered || v.nested {
		a.queue.drop()
	}
	a.news.stop()
}

// await waits for a verdict on a place in the queue.
func (a *acquisition) await(ctx context.Context) verdict {
	if !a.waiter.try { // otherwise one comes soon
		if err := a.startWaiting(ctx); err != nil {
			return a.standDown(err)
		}
	}
	select {
	case <-a.waiter.ready:
		return a.queue.verdictOf(&a.waiter)
	case <-ctx.Done():
		return a.standDown(a.ended(ctx))
	}
}

// standDown gives up for the reason err, unless the verdict has just been
// given.
func (a *acquisition) standDown(err error) verdict {
	if v := a.queue.leave(&a.waiter); v.outcome == entered || v.outcome == refused {
		return v
	}
	return verdict{outcome: refused, err: err}
}

// ask gets the lock from the backend, as often as it takes: a lease may be gone
// before it is a hold.
func (a *acquisition) ask(ctx context.Context) verdict {
	v := a.askOnce(ctx)
	for v.err == errGone {
		switch {
		case a.waiter.try:
			return refusal(ErrLocked)
		case ctx.Err() != nil:
			return refusal(a.ended(ctx))
		}
		v = a.askOnce(ctx)
	}
	return v
}

// errGone says that somebody else has the lock, or had it or could have had it,
// before the lease of a grant was renewed once.
var errGone = errors.New("gone")

// askOnce first tries once, so that it is soon known, to others in the queue as
// well, whether there is a wait.
func (a *acquisition) askOnce(ctx context.Context) verdict {
	if err := a.queue.settleDebts(); err != nil {
		return refusal(fmt.Errorf("an earlier release failed, and fails again: %w", err))
	}
	b := a.lock.backend
	r := a.waiter.request()
	g, err := b.Acquire(ctx, r)
	if errors.Is(err, ErrLocked) && !a.waiter.try {
		if err := a.prepareToWait(ctx); err != nil {
			return refusal(err)
		}
		r.NoWait = false
		g, err = b.Acquire(ctx, r)
	}
	if u := (*mark.Unfinished)(nil); errors.As(err, &u) {
		if s := u.Take(); s != nil {
			a.queue.owe(leftover{s}, a.lock)
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return refusal(a.withEnd(ctx, err))
	case err != nil:
		return refusal(err)
	case g == nil:
		return refusal(invalid("the backend %T returned neither a grant nor an error", b))
	}
	a.grant = g
	l := a.lossOf(g)
	renewal, err := startRenewal(ctx, g, l)
	if err != nil {
		return a.withdraw(ctx, err)
	}
	return verdict{outcome: entered, tenure: a.queue.take(&a.waiter, g, l, renewal)}
}

// lossOf prepares for the loss of g, if it can be lost.
func (a *acquisition) lossOf(g Grant) *loss {
	losable, canBeTaken := g.(LosableGrant)
	_, ends := g.(LeasedGrant)
	if !canBeTaken && !ends {
		return nil
	}
	l := newLoss(a.lock)
	if canBeTaken {
		losable.OnLoss(func() { l.happen(ErrLost) })
	}
	return l
}

// withdraw gives back a lease that could not be renewed for the reason err.
func (a *acquisition) withdraw(ctx context.Context, err error) verdict {
	errRelease := a.grant.Release(context.Background())
	if isOver(errRelease) {
		a.grant = nil // otherwise it is owed
	}
	switch {
	case errors.Is(err, ErrLost) && (errRelease == nil || errors.Is(errRelease, ErrLost)):
		return refusal(errGone)
	case ctx.Err() != nil:
		err = a.withEnd(ctx, err)
	}
	if errors.Is(errRelease, ErrLost) {
		return refusal(err) // there was nothing left to give back, and nobody has lost a hold
	}
	return refusal(errors.Join(err, errRelease))
}

func refusal(err error) verdict { return verdict{outcome: refused, err: err} }

// prepareToWait lets others know that the lock is taken.
func (a *acquisition) prepareToWait(ctx context.Context) error {
	a.queue.refuse()
	if i, ok := a.lock.backend.(IdentifyingBackend); ok {
		if id, err := i.Identify(ctx); err == nil {
			if err := a.queue.standsBehind(id, &a.waiter); err != nil {
				return err
			}
		}
	}
	return a.startWaiting(ctx)
}

// startWaiting makes ready for a wait of unknown length, once.
func (a *acquisition) startWaiting(ctx context.Context) error {
	if a.waiting {
		return nil
	}
	a.waiting = true
	if a.start.IsZero() {
		a.start = time.Now()
	}
	var err error
	if a.waiter.unlimited {
		err = a.waiter.waitBegins()
	}
	a.lock.log(ctx, "waiting") // when it counts for others, who may close a cycle
	a.news = a.announce(ctx)
	return err
}

// ended says that ctx has ended the acquisition. If somebody else had the lock
// for all of a limited time, that is a timeout.
func (a *acquisition) ended(ctx context.Context) error {
	err := contextError(ctx)
	switch {
	case context.Cause(ctx) == ErrTimeout:
		return ErrTimeout // of ours, of which the caller's context knows nothing
	case !a.waiter.try && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// withEnd is ended for a backend that returned err when ctx had ended, which
// may say more.
func (a *acquisition) withEnd(ctx context.Context, err error) error {
	end := a.ended(ctx)
	if err == ctx.Err() || err == context.Cause(ctx) || errors.Is(err, ErrLocked) {
		return end
	}
	if errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)) {
		return errors.Join(end, err)
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

// explain makes the error that the caller sees. Who has the lock is found out
// now if the caller has waited, and otherwise when somebody asks.
func (a *acquisition) explain(ctx context.Context, err error) error {
	e := &LockError{Op: "acquire", Path: a.lock.path, Err: err}
	if a.waiting {
		e.Waited = time.Since(a.start)
		a.lock.log(ctx, "gave up")
	}
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrDeadlock) || a.waiting && ctx.Err() != nil {
		e.holder = sync.OnceValues(func() (Holder, bool) { return a.lock.holder(ctx) })
		if a.waiting {
			e.holder()
		}
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

func (a *acquisition) announce(ctx context.Context) *news {
	tell := a.set.onWait
	if tell == nil {
		return nil
	}
	// A mutex would do, but a test with a fake clock could not see that
	// somebody who waits for it is idle.
	n, pause := &news{turn: make(chan struct{}, 1)}, firstNews
	n.timer = time.AfterFunc(pause, func() {
		if _, ok := <-n.turn; !ok {
			return // stopped
		}
		defer func() { n.turn <- struct{}{} }()
		info := WaitInfo{Path: a.lock.path, Waited: time.Since(a.start), Position: a.queue.position(&a.waiter)}
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
