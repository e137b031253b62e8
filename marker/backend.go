package marker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// A backend is what all kinds have in common. They differ in how they place a
// marker: place fails with [fs.ErrExist] where anything stands already, and
// leaves nothing behind when it fails.
type backend struct {
	path   string // the caller's
	file   string // that of the marker; may be relative
	config Config
	key    *address.Key
	misuse error
	types  fs.FileMode // of what can be a marker here, beside files
	place  func(path string) (mark.Marker, error)
}

func newBackend(path, suffix string, c Config, place func(path string) (mark.Marker, error)) *backend {
	b := &backend{path: path, config: c, place: place}
	if suffix != "" {
		b.types = fs.ModeDir | fs.ModeSymlink
	}
	clean := filepath.Clean(path)
	switch base := filepath.Base(clean); {
	case path == "":
		b.misuse = invalid("the lock has no path")
	case strings.ContainsRune(path, 0):
		b.misuse = invalid("the path %q holds a NUL byte", path)
	case base == "." || base == ".." || base == string(filepath.Separator):
		b.misuse = invalid("the path %q has no name in it", path)
	default:
		b.file = clean + suffix
		b.key = address.KeyOf("github.com/gofilelock/filelock/marker", b.file)
	}
	return b
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", fs.ErrInvalid, fmt.Sprintf(format, args...))
}

func (b *backend) Path() string { return b.path }

// Key is the same for all kinds: they exclude each other.
func (b *backend) Key(context.Context) (string, error) {
	if b.misuse != nil {
		return "", b.misuse
	}
	return b.key.Get()
}

// at returns where the marker stands, from the root.
func (b *backend) at() (string, error) {
	if b.misuse != nil {
		return "", b.misuse
	}
	return address.Abs(b.file)
}

func (b *backend) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if r.Shared {
		return nil, fmt.Errorf("%w: a marker cannot be shared", filelock.ErrUnsupported)
	}
	path, err := b.at()
	if err != nil {
		return nil, err
	}
	holder := func() int { return b.processAt(path) }
	return wait.Until(ctx, path, r.PollInterval, r.NoWait, filelock.ErrLocked, holder, func() (filelock.Grant, error) {
		return b.attempt(path)
	})
}

// processAt returns the number of the process whose end frees the lock, 0 if
// there is none.
func (b *backend) processAt(path string) int {
	if !b.config.BreakStale {
		return 0
	}
	f, err := b.look(path)
	if err != nil || !f.claimant.near {
		return 0
	}
	return f.claimant.pid
}

// attempts bounds how often in a row something is tried again because others
// were faster.
const attempts = 100

// attempt tries once to get the lock.
func (b *backend) attempt(path string) (filelock.Grant, error) {
	for range attempts {
		info, err := mark.There(path)
		switch {
		case sys.IsGone(err):
			m, err := b.place(path)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else was faster
			}
			if err != nil {
				return nil, explain(err)
			}
			return &grant{mark.NewStand(path, m)}, nil
		case err != nil:
			return nil, err
		case info.Mode&fs.ModeType&^b.types != 0:
			return nil, sys.Irregular(info.Mode)
		case !b.config.BreakStale:
			return nil, filelock.ErrLocked
		}
		if err := b.clear(path); err != nil {
			return nil, err
		}
	}
	return nil, filelock.ErrLocked
}

// clear removes the marker of a holder who is dead, and fails with
// [filelock.ErrLocked] if that is not certain.
func (b *backend) clear(path string) error {
	seen, err := b.look(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !seen.stale():
		return filelock.ErrLocked
	}
	switch removed, err := seen.remove(); {
	case err == nil, errors.Is(err, mark.ErrChanged):
		return nil
	case !removed && (errors.Is(err, sys.ErrBusy) || errors.Is(err, sys.ErrNoLocks)):
		return filelock.ErrLocked // by somebody else who is removing it; for ever
	default:
		return fmt.Errorf("its holder is dead, but the marker cannot be removed: %w", err)
	}
}

// look is the function of that name, for this kind of lock.
func (b *backend) look(path string) (found, error) {
	f, err := look(path)
	if mode := f.evidence.Info.Mode; err == nil && mode.Type()&^b.types != 0 {
		err = sys.Irregular(mode)
	}
	if b.types == 0 && f.claim == "" && f.claimant.pid != 0 { // that is all a PID lock says
		f.claimant.near = b.config.BreakStale && !sys.IsRemote(path)
	}
	return f, err
}

// explain says what a file system lacks.
func explain(err error) error {
	if errors.Is(err, sys.ErrNoNames) {
		return fmt.Errorf("%w: no markers of this kind can be made here: %w", filelock.ErrUnsupported, err)
	}
	return err
}

// Inspect tells who has the lock, whatever kind of marker stands there.
func (b *backend) Inspect(context.Context) (filelock.State, error) {
	path, err := b.at()
	if err != nil {
		return filelock.State{}, err
	}
	var f found
	if err = mark.Refresh(path); err == nil {
		f, err = b.look(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return filelock.State{}, nil
	}
	if err != nil {
		return filelock.State{}, err
	}
	s := filelock.State{Held: true, Stale: f.stale(), Holders: []filelock.Holder{f.holder()}}
	return s.WithEvidence(f), nil
}

// Break removes the marker that was inspected.
func (b *backend) Break(ctx context.Context, s filelock.State) error {
	f, ok := s.Evidence().(found)
	if !ok {
		return invalid("the state is not from a marker's Inspect")
	}
	_, err := mark.Persist(ctx, f.remove)
	switch {
	case errors.Is(err, mark.ErrChanged):
		return filelock.ErrLost
	case errors.Is(err, sys.ErrNoLocks):
		return fmt.Errorf("%w: nobody can be kept from the marker on this file system (remove it by hand): %w", filelock.ErrUnsupported, err)
	}
	return err
}

// A grant is a marker of this process that stands.
type grant struct{ stand mark.Stand }

// OnLoss has lost called if the marker is found to be gone.
func (g *grant) OnLoss(lost func()) { g.stand.OnLoss(lost) }

// HandOver reports whether the marker may serve the next owner. It names the
// process, so it says the same of all of them, and all kinds exclude each other.
func (g *grant) HandOver(to filelock.Backend, _ filelock.Request) bool {
	_, ok := to.(*backend)
	return ok && g.stand.GoesOn()
}

// Release removes the marker.
func (g *grant) Release(ctx context.Context) error {
	removed, err := g.stand.End(ctx)
	switch {
	case removed:
		return filelock.Released(err)
	case errors.Is(err, mark.ErrChanged):
		return fmt.Errorf("%w: %w", filelock.ErrLost, err)
	}
	return err
}
