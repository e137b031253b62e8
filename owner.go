package filelock

import (
	"context"
	"fmt"
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

	waiting atomic.Int32 // waiters, of all sorts

	waits []*waiter // those without a limit; guarded by waitsFor
}

// NewOwner makes an owner. It never ends.
func NewOwner(name string) *Owner { return &Owner{name: name} }

// everyone is the owner of all locks made [WithSharedOwner].
var everyone = NewOwner("shared")

// Name returns what o is called in messages.
func (o *Owner) Name() string { return o.name }

// WithOwner returns a context whose acquisitions belong to o. If o is nil, each
// of them has an owner of its own.
func WithOwner(ctx context.Context, o *Owner) context.Context {
	return &ownerContext{Context: ctx, owner: o, outer: ownerContextOf(ctx)}
}

// OwnerFrom returns the owner that acquisitions with ctx belong to. There is
// none if nobody has put one there, or if it was made by a Do that has returned
// or for an Acquire whose holds have been released.
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
	owner  *Owner        // may be nil
	tenure *tenure       // nil where WithOwner made it
	outer  *ownerContext // the next one further out
	over   atomic.Bool   // the hold that it was made for has ended
}

type ownerKey struct{}

func (c *ownerContext) Value(key any) any {
	if key == (ownerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// String is for those who print contexts.
func (c *ownerContext) String() string {
	name := ""
	if c.owner != nil {
		name = c.owner.name
	}
	return fmt.Sprintf("%v.WithOwner(%s)", c.Context, name)
}

func ownerContextOf(ctx context.Context) *ownerContext {
	c, _ := ctx.Value(ownerKey{}).(*ownerContext)
	return c
}

// inside returns the innermost tenure that c stands in and that is the one
// looked for. A hold that goes on counts even if its owner has ended meanwhile:
// whoever runs under it must not wait for it. But from the inside of a
// [WithOwner] only the tenures of that owner are seen.
func (c *ownerContext) inside(is func(*tenure) bool) *tenure {
	var other *ownerContext // that WithOwner made
	for ; c != nil; c = c.outer {
		t := c.tenure
		if t == nil {
			if other == nil {
				other = c
			}
			continue
		}
		if other != nil && t.owner != other.owner && t.owner != everyone {
			continue
		}
		if !c.over.Load() && is(t) {
			return t
		}
	}
	return nil
}
