package filelock

import (
	"context"
	"sync/atomic"
)

// An Owner is who holds locks: all that runs under one context that carries
// it, in any number of goroutines. Acquisitions of one owner nest; those of
// different owners exclude each other.
//
// An Owner is compared by identity. Its name only appears in messages.
type Owner struct {
	name  string
	brief bool         // made for an Acquire: ends with its last tenure
	ended atomic.Bool  // matches nobody any more, itself included
	count atomic.Int32 // tenures

	waits []*queue // those it waits for without a limit; guarded by waitsFor
}

// NewOwner makes an owner. It never ends.
func NewOwner(name string) *Owner { return &Owner{name: name} }

// everyone is the owner of all locks made [WithSharedOwner].
var everyone = NewOwner("shared")

// Name returns what o is called in messages.
func (o *Owner) Name() string { return o.name }

// WithOwner returns a context whose acquisitions belong to o.
func WithOwner(ctx context.Context, o *Owner) context.Context {
	return &ownerContext{Context: ctx, owner: o, outer: ownerContextOf(ctx)}
}

// OwnerFrom returns the owner that acquisitions with ctx belong to. There is
// none if nobody has put one there, or if it was made by a Do that has
// returned since.
func OwnerFrom(ctx context.Context) (*Owner, bool) {
	if c := ownerContextOf(ctx); c != nil && c.owner.matches() {
		return c.owner, true
	}
	return nil, false
}

// matches reports whether whoever carries o is o.
func (o *Owner) matches() bool { return o != nil && !o.ended.Load() }

func (o *Owner) end() { o.ended.Store(true) }

func (o *Owner) tenureBegins() { o.count.Add(1) }

func (o *Owner) tenureEnds() {
	if o.count.Add(-1) == 0 && o.brief {
		o.end()
	}
}

// An ownerContext is what a hold adds to the context: the owner, and the
// tenure itself, so that nested calls find it without asking the system.
type ownerContext struct {
	context.Context
	owner  *Owner        // nil under a lock with a shared owner only
	tenure *tenure       // nil where WithOwner made it
	outer  *ownerContext // the next one further out
}

type ownerKey struct{}

func (c *ownerContext) Value(key any) any {
	if key == (ownerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func ownerContextOf(ctx context.Context) *ownerContext {
	c, _ := ctx.Value(ownerKey{}).(*ownerContext)
	return c
}

// tenureOf returns the tenure through l that ctx stands in, if there is one
// whose owner is still the one of ctx.
func tenureOf(ctx context.Context, l *core) *tenure {
	c := ownerContextOf(ctx)
	if c == nil {
		return nil
	}
	for owner := c.owner; c != nil; c = c.outer {
		if t := c.tenure; t != nil && t.lock == l {
			if t.owner == everyone || t.owner == owner && owner.matches() {
				return t
			}
			return nil
		}
	}
	return nil
}
