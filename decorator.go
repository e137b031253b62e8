package filelock

import (
	"context"
	"errors"
	"log/slog"
)

// A Locker is a lock of any kind.
type Locker interface {
	Do(ctx context.Context, fn func(context.Context) error, opts ...AcquireOption) error
	Acquire(ctx context.Context, opts ...AcquireOption) (*Hold, error)
	TryAcquire(ctx context.Context, opts ...AcquireOption) (*Hold, error)
}

// Do acquires the lock, calls fn and releases the lock, also if fn panics or
// ends the goroutine with [runtime.Goexit].
//
// The context that fn gets carries the owner: calls with it nest, in fn and in
// goroutines that fn starts and waits for, which all share the hold. If ctx has
// no owner, Do makes one, which ends when fn returns; whoever still carries it
// then is a stranger to all others, except under holds of its own. If the lock can be lost and is, that
// context is cancelled with a cause that matches [ErrLost].
//
// Do returns what fn returned, joined with the error of the release if there is
// one, among them [ErrLost]. If the lock cannot be acquired, fn is not called,
// and the error is as from Acquire.
func (l *core) Do(ctx context.Context, fn func(context.Context) error, opts ...AcquireOption) (err error) {
	if len(opts) == 0 {
		if t := l.nest(ctx, l.set.shared); t != nil {
			return l.under(ctx, t, fn)
		}
	}
	p := &possession{}
	owner, carried := l.ownerOf(ctx)
	made := owner == nil
	if made {
		owner = &p.owner
		carried = owner
	}
	p.tenure.scoped = true
	t, err := l.acquire(ctx, owner, l.settings(opts), &p.tenure)
	if err != nil {
		return err
	}
	return l.under(newHoldContext(ctx, carried, t, &p.context), t, func(ctx context.Context) error {
		defer func() { // before the lock is free
			if made {
				owner.end()
			}
			endContext(ctx)
		}()
		return fn(ctx)
	})
}

// under calls fn and then ends a hold of t, for good.
func (l *core) under(ctx context.Context, t *tenure, fn func(context.Context) error) (err error) {
	returned := false
	defer func() {
		_, errRelease := t.leave(abandon)
		switch {
		case errRelease == nil || errors.Is(errRelease, ErrNotHeld): // fn may have used ForceRelease
		case returned:
			err = errors.Join(err, l.fail("release", errRelease))
		default: // the panic goes on, and nobody would hear of it
			l.logger().LogAttrs(ctx, slog.LevelError, "release failed", slog.Any("error", errRelease))
		}
	}()
	err = fn(ctx)
	returned = true
	return err
}

// Guard returns fn as a function that runs under the lock: see Do.
func (l *core) Guard(fn func(context.Context) error, opts ...AcquireOption) func(context.Context) error {
	return func(ctx context.Context) error { return l.Do(ctx, fn, opts...) }
}

// Call is Do for a function that returns a value. The value is returned even if
// the release fails; it is zero if the lock cannot be acquired.
func Call[T any](ctx context.Context, l Locker, fn func(context.Context) (T, error), opts ...AcquireOption) (v T, err error) {
	err = l.Do(ctx, func(ctx context.Context) (err error) {
		v, err = fn(ctx)
		return err
	}, opts...)
	return v, err
}

// GuardFunc returns fn, which takes an argument and returns a value, as a
// function that runs under the lock: see [Call].
func GuardFunc[A, R any](l Locker, fn func(context.Context, A) (R, error), opts ...AcquireOption) func(context.Context, A) (R, error) {
	return func(ctx context.Context, arg A) (R, error) {
		return Call(ctx, l, func(ctx context.Context) (R, error) { return fn(ctx, arg) }, opts...)
	}
}
