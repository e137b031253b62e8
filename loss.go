package filelock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// A loss tells those who need to know that a grant has been taken away. A nil
// *loss is of a grant that cannot be.
type loss struct {
	lock *core         // through which the grant was got
	told chan struct{} // closed when it happens

	mu       sync.Mutex                // guards what follows
	cause    error                     // of the contexts' end
	contexts map[*lossContext]struct{} // nil once the grant has been given back
}

func newLoss(lock *core) *loss {
	return &loss{lock: lock, told: make(chan struct{}), contexts: map[*lossContext]struct{}{}}
}

// happen tells that the grant is lost, if nobody has. The reason matches
// [ErrLost] in any case.
func (l *loss) happen(why error) {
	if l.happens(why) {
		l.lock.log(context.Background(), "lost")
	}
}

func (l *loss) happens(why error) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err() != nil {
		return false
	}
	if !errors.Is(why, ErrLost) {
		why = fmt.Errorf("%w: %w", ErrLost, why)
	}
	l.cause = l.lock.fail("hold", why)
	close(l.told)
	for c := range l.contexts {
		c.cancel(l.cause)
	}
	return true
}

// err returns [ErrLost] if it has happened.
func (l *loss) err() error {
	if l == nil {
		return nil
	}
	select {
	case <-l.told:
		return ErrLost
	default:
		return nil
	}
}

// end ends all contexts that still count on the grant.
func (l *loss) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	contexts := l.contexts
	l.contexts = nil
	l.mu.Unlock()
	for c := range contexts {
		c.end()
	}
}

// A lossContext is an [ownerContext] that is cancelled when the hold is lost.
// What can be cancelled costs a good deal, so it is made when somebody asks
// for it, or when it is needed.
type lossContext struct {
	ownerContext
	loss        *loss
	cancellable atomic.Pointer[cancellable]
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// newHoldContext returns the context for those who work under t: slot, unless
// the hold can be lost.
func newHoldContext(ctx context.Context, owner *Owner, t *tenure, slot *ownerContext) context.Context {
	outer := ownerContextOf(ctx)
	if t.loss == nil {
		slot.Context, slot.owner, slot.tenure, slot.outer = ctx, owner, t, outer
		return slot
	}
	c := &lossContext{loss: t.loss}
	c.Context, c.owner, c.tenure, c.outer = ctx, owner, t, outer
	t.loss.mu.Lock()
	defer t.loss.mu.Unlock()
	if t.loss.contexts != nil {
		t.loss.contexts[c] = struct{}{}
	}
	if t.loss.err() != nil {
		c.cancel(t.loss.cause)
	}
	return c
}

// endContext tells a context from [newHoldContext] that its hold has ended, so
// that nobody nests in it and it no longer burdens the context it was made of.
// That cancels it, if it can be lost, if the other one can be cancelled, and if
// somebody has asked for its end.
func endContext(ctx context.Context) {
	switch c := ctx.(type) {
	case *ownerContext:
		c.over.Store(true)
	case *lossContext:
		c.loss.mu.Lock()
		delete(c.loss.contexts, c)
		c.loss.mu.Unlock()
		c.end()
	}
}

func (c *lossContext) end() {
	c.over.Store(true)
	c.detach()
}

// detach is called by whoever sees last that c has ended and is cancellable.
func (c *lossContext) detach() {
	if p := c.cancellable.Load(); p != nil && c.Context.Done() != nil {
		p.cancel(ErrNotHeld)
	}
}

func (c *lossContext) cancel(cause error) { c.make().cancel(cause) }

func (c *lossContext) make() *cancellable {
	if p := c.cancellable.Load(); p != nil {
		return p
	}
	ctx, cancel := context.WithCancelCause(c.Context)
	if !c.cancellable.CompareAndSwap(nil, &cancellable{ctx, cancel}) {
		cancel(nil)
	} else if c.over.Load() {
		c.detach()
	}
	return c.cancellable.Load()
}

func (c *lossContext) Done() <-chan struct{} {
	if c.over.Load() && c.cancellable.Load() == nil {
		return c.Context.Done()
	}
	return c.make().Done()
}

func (c *lossContext) Err() error {
	if p := c.cancellable.Load(); p != nil {
		return p.Err()
	}
	return c.Context.Err()
}

func (c *lossContext) Value(key any) any {
	if key == (ownerKey{}) {
		return &c.ownerContext
	}
	if p := c.cancellable.Load(); p != nil {
		return p.Value(key) // among others what context.Cause asks for
	}
	return c.Context.Value(key)
}
