//go:build aix || (!unix && !windows)

package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/gofrs/flock"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/wait"
)

func (b *fileBackend) Acquire(ctx context.Context, r Request) (Grant, error) {
	g, err := b.attempt(r)
	if r.NoWait || !errors.Is(err, ErrLocked) {
		return g, err
	}
	err = wait.New("", 0, r.PollInterval, nil).Persevere(ctx, ErrLocked, func() (err error) {
		g, err = b.attempt(r)
		return err
	})
	return g, err
}

// attempt tries once to get the lock, as gofrs/flock does it here: with record
// locks of the process, or not at all.
func (b *fileBackend) attempt(r Request) (Grant, error) {
	if b.file != nil || b.content != nil || b.set.remove || b.set.records {
		return nil, fmt.Errorf("%w: on this system a lock has a path and no other options than its mode", ErrUnsupported)
	}
	path, err := address.Abs(b.path)
	if err != nil {
		return nil, err
	}
	perm := fs.FileMode(0o666)
	if b.set.mode != nil {
		perm = *b.set.mode
	}
	f := flock.New(path, flock.SetPermissions(perm))
	try := f.TryLock
	if r.Shared {
		try = f.TryRLock
	}
	ok, err := try()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrLocked
	}
	return gofrsGrant{f}, nil
}

// A gofrsGrant is a lock that gofrs/flock has got.
type gofrsGrant struct{ file *flock.Flock }

func (g gofrsGrant) Release(context.Context) error { return g.file.Unlock() }
