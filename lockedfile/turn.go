package lockedfile

import (
	"context"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
)

// A turn is a lock within this process. Goroutines of one owner share its hold
// of the file's lock, so they may come to write one temporary file at a time.
type turn struct {
	path string
	key  *address.Key
}

func newTurn(path string) turn {
	return turn{path, address.KeyOf("github.com/gofilelock/filelock/lockedfile", path)}
}

// Do calls fn while no other goroutine has a turn for the same file.
func (t turn) Do(ctx context.Context, fn func() error) error {
	alone := filelock.WithOwner(ctx, nil)
	return filelock.NewLock(t).Do(alone, func(context.Context) error { return fn() })
}

func (t turn) Path() string                              { return t.path }
func (t turn) Key(context.Context) (string, error)       { return t.key.Get() }
func (turn) Release(context.Context) error               { return nil }
func (turn) Break(context.Context, filelock.State) error { return filelock.ErrUnsupported }

func (t turn) Acquire(context.Context, filelock.Request) (filelock.Grant, error) { return t, nil }

func (turn) Inspect(context.Context) (filelock.State, error) {
	return filelock.State{}, filelock.ErrUnsupported
}
