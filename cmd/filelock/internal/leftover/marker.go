package leftover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/marker"
)

const lockSuffix = ".lock"

// standing finds lockfile's markers: files, directories and symbolic links.
func (c *candidate) standing() (*Leftover, error) {
	path, ok := strings.CutSuffix(c.path, lockSuffix)
	if !ok || c.name == lockSuffix {
		return nil, nil
	}
	l, err := c.stale("marker", marker.New(path, marker.Config{}))
	if l != nil || err != nil || !c.evidence.Info.Mode.IsDir() {
		return l, err
	}
	if names, err := sys.Names(c.path, 1); err != nil || len(names) > 0 {
		return nil, nil
	}
	// Others lock by such directories. Or somebody was killed who was just making
	// a marker, or removing one.
	return c.found("directory", "nothing in it says whose it is", Doubtful), nil
}

// beside finds the unique files of markers that these have left behind: they are
// called what they say.
func (c *candidate) beside() (*Leftover, error) {
	if string(c.evidence.Content) != c.name || !strings.Contains(c.name, "-") {
		return nil, nil
	}
	return c.stale("marker's file", marker.NewPID(c.path, marker.Config{}))
}

// stale finds markers of which it is certain that the holder is dead. That of
// one process number alone is not: any file may hold a number.
func (c *candidate) stale(kind string, lock judged) (*Leftover, error) {
	s, err := lock.Inspect(context.Background())
	switch {
	case errors.Is(err, fs.ErrInvalid), sys.IsGone(err): // no marker
		return nil, nil
	case err != nil || !s.Stale:
		return nil, err
	}
	h := s.Holders[0]
	l := &Leftover{Path: c.path, Kind: kind, Why: fmt.Sprintf("pid %d has ended", h.PID), Since: h.Since, Proof: Certain}
	if l.Since.IsZero() {
		l.Since = time.Now()
	}
	return l.broken(lock, s), nil
}
