package filelock

import (
	"context"
	"sync"
	"sync/atomic"
)

// A loss tells those who need to know that a grant has been taken away.
type loss struct {
	told chan struct{} // closed when it happens

	mu       sync.Mutex
	contexts map[*lossContext]struct{}
}

func newLoss() *loss {
	return &loss{told: make(chan struct{}), contexts: map[*lossContext]struct{}{}}
}

func (l *loss) happen() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hasHappened() {
		return
	}
	close(l.told)
	for c := range l.contexts {
		c.cancel(ErrLost)
	}
}

func (l *loss) hasHappened() bool {
	select {
	case <-l.told:
		return true
	default:
		return false
	}
}

// A lossContext is an [ownerContext] that is cancelled when the hold is lost.
// What can be cancelled costs a good deal, so it is made when somebody asks
// for it, or when it is needed.
type lossContext struct {
	ownerContext
	loss        *loss
	cancellable atomic.Pointer[cancellable]
	ended       atomic.Bool
}

type cancellable struct {
	context.Context
	cancel context.CancelCauseFunc
}

// newHoldContext returns the context for those who work under t.
func newHoldContext(ctx context.Context, owner *Owner, t *tenure) context.Context {
	base := ownerContext{Context: ctx, owner: owner, tenure: t, outer: ownerContextOf(ctx)}
	if t.loss == nil {
		return &base
	}
	c := &lossContext{ownerContext: base, loss: t.loss}
	t.loss.mu.Lock()
	defer t.loss.mu.Unlock()
	t.loss.contexts[c] = struct{}{}
	if t.loss.hasHappened() {
		c.cancel(ErrLost)
	}
	return c
}

// endContext tells a context from [newHoldContext] that its hold has ended, so
// that it no longer burdens the context it was made of. That cancels it, if
// that one can be cancelled and if anybody has asked for it.
func endContext(ctx context.Context) {
	c, ok := ctx.(*lossContext)
	if !ok {
		return
	}
	c.loss.mu.Lock()
	delete(c.loss.contexts, c)
	c.loss.mu.Unlock()
	c.ended.Store(true)
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
	} else if c.ended.Load() {
		c.detach()
	}
	return c.cancellable.Load()
}

func (c *lossContext) Done() <-chan struct{} {
	if c.ended.Load() && c.cancellable.Load() == nil {
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
