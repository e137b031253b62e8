// Package leftover finds what locks have left behind in directories, and removes
// it without harm to those who take a lock meanwhile.
//
// It knows the files of all kinds of locks by what is in them, whoever has put
// them there: nothing of it is believed beyond what it proves. What nobody uses
// any more, and is certain to be a lock's, is [Certain]; what may be in use by
// ways that cannot be seen is [Risky]; the rest is [Doubtful], and stays.
package leftover

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// A Proof is how certain it is that nobody uses something.
type Proof string

// The proofs, from the best on.
const (
	Certain  Proof = "certain"  // it is a lock's, and its holder is dead
	Risky    Proof = "risky"    // nobody is seen to use it
	Doubtful Proof = "doubtful" // nothing is known of who uses it
)

// A Leftover is something that a lock has, or may have, left behind.
type Leftover struct {
	Path  string
	Kind  string
	Why   string    // it is taken for left over, or is not
	Since time.Time // when it was written last or, of a lease, when that was over
	Proof Proof

	remove func(context.Context) error // nil if it stays
}

// What Remove fails with if it leaves a thing where it is.
var (
	ErrGone = errors.New("it has gone, or another has taken its place")
	ErrUsed = errors.New("somebody is using it")
)

// Remove removes l, if it is still what was found, and nothing else. It fails
// with [ErrGone] or [ErrUsed] if it is not, or with what the system says. A
// doubtful one is not removed: Remove fails with [filelock.ErrUnsupported].
func (l *Leftover) Remove(ctx context.Context) error {
	if l.remove == nil {
		return filelock.ErrUnsupported
	}
	err := l.remove(ctx)
	switch {
	case errors.Is(err, mark.ErrChanged), errors.Is(err, filelock.ErrLost), errors.Is(err, fs.ErrNotExist):
		return ErrGone
	case errors.Is(err, sys.ErrBusy), errors.Is(err, filelock.ErrLocked):
		return ErrUsed
	}
	return err
}

// mostRead bounds what is read of a file: the longest that any kind of lock
// writes.
const mostRead = 4096

// A candidate is what is looked at.
type candidate struct {
	path, name string
	evidence   mark.Evidence // Content is of a file only
}

// At returns what at path is left over, or nil if that is nothing. It follows no
// link, opens nothing but files, and changes nothing.
func At(path string) (*Leftover, error) {
	_, name := address.Split(path)
	c := &candidate{path: path, name: name}
	info, err := sys.Lstat(path)
	switch {
	case sys.IsGone(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode.IsRegular():
		c.evidence.Info = info
		return c.standing()
	case info.Size > mostRead && !strings.HasSuffix(name, newSuffix):
		return nil, nil
	}
	c.evidence, err = mark.Look(path, mostRead)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid): // since then
		return nil, nil
	case errors.Is(err, mark.ErrUnreadable):
		return c.unreadable(), nil
	case err != nil:
		return nil, err
	}
	for _, look := range []func() (*Leftover, error){c.soft, c.temporary, c.beside, c.lease, c.standing, c.system} {
		if l, err := look(); l != nil || err != nil {
			return l, err
		}
	}
	return nil, nil
}

// found returns a Leftover that was written when the file was.
func (c *candidate) found(kind, why string, proof Proof) *Leftover {
	return &Leftover{Path: c.path, Kind: kind, Why: why, Proof: proof, Since: time.Unix(0, c.evidence.Info.ModTime)}
}

// unreadable reports files of which only the name tells that they are a lock's.
func (c *candidate) unreadable() *Leftover {
	if !strings.HasSuffix(c.name, lockSuffix) && !isClaim(c.name) {
		return nil
	}
	return c.found("lock", "it may not be read", Doubtful)
}

// breakFile has the file removed if it is still what was seen.
func (c *candidate) breakFile(ctx context.Context) error {
	_, err := mark.Persist(ctx, func() (bool, error) { return mark.Break(c.path, c.evidence) })
	return err
}

// A judged lock can say that its holder is dead, and be broken.
type judged interface {
	Inspect(context.Context) (filelock.State, error)
	Break(context.Context, filelock.State) error
}

// broken has l removed by breaking the hold that s is of.
func (l *Leftover) broken(lock judged, s filelock.State) *Leftover {
	l.remove = func(ctx context.Context) error { return lock.Break(ctx, s) }
	return l
}
