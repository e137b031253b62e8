package mark

import (
	"context"
	"errors"

	"github.com/gofilelock/filelock/internal/wait"
)

// A Marker is something that this process has put at a path. The methods are as
// those of [Own], which is one.
type Marker interface {
	At(path string) error
	Remove(path string) (removed bool, err error)
	Close() error
}

// A Stand is the time for which a marker stands at its path.
type Stand struct {
	path   string
	marker Marker
	turn   wait.Turn
	watch  Watch
}

// NewStand returns the stand of m at path, which has begun.
func NewStand(path string, m Marker) Stand { return Stand{path: path, marker: m} }

// OnLoss has lost called, once, if the marker is found to be gone.
func (s *Stand) OnLoss(lost func()) {
	s.watch.Start(func() bool { return errors.Is(s.marker.At(s.path), ErrChanged) }, lost)
}

// GoesOn reports whether the marker may serve the next owner in this process.
func (s *Stand) GoesOn() bool { return s.turn.GoesOn(s.path) && s.marker.At(s.path) == nil }

// End removes the marker, and reports whether it has. Where it fails, with
// anything but [ErrChanged], the marker stands on.
func (s *Stand) End(ctx context.Context) (removed bool, err error) {
	watched := s.watch.Stop()
	removed, err = Persist(ctx, func() (bool, error) { return s.marker.Remove(s.path) })
	switch {
	case removed, errors.Is(err, ErrChanged):
		err = errors.Join(err, s.marker.Close())
		s.turn.End()
	case watched:
		s.watch.Resume()
	}
	return removed, err
}
