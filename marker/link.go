package marker

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// A link is a marker that is a second name of a file beside it.
type link struct {
	*mark.Own
	claim string
}

// Close ends the use of the marker, and removes the file beside.
func (l link) Close() error { return errors.Join(unlink(l.claim), l.Own.Close()) }

// placeLink makes a file of a unique name, and gives it the marker's by link(2):
// that is one step, with all that the file says.
func placeLink(path string) (mark.Marker, error) {
	name, err := newName()
	if err != nil {
		return nil, err
	}
	claim := address.Beside(path, name)
	own, err := mark.CreateClaim(claim, nil, []byte(name))
	if err != nil {
		return nil, err
	}
	errLink := own.Settle(path, sys.Link(claim, path))
	if errLink == nil {
		return link{own, claim}, nil
	}
	errClaim := unlink(claim)
	if errors.Is(errLink, fs.ErrExist) {
		err = errors.Join(errClaim, own.Close())
		if err != nil {
			return nil, err // and not ErrExist, which would have it tried again
		}
		return nil, errLink
	}
	return nil, errors.Join(errLink, errClaim, own.Undo(path, link{own, claim}))
}

// placeAny places a link or, on a file system that has none, a directory.
func placeAny(path string) (mark.Marker, error) {
	m, err := placeLink(path)
	if errors.Is(err, sys.ErrNoNames) {
		return placeDirectory(path)
	}
	return m, err
}

// mostSaid is how many bytes a marker may say: a unique name, or the number of a
// process and what other programs add to it.
const mostSaid = 1024

// lookAtFile reads a link's file, or that of a PID lock.
func (f *found) lookAtFile() error {
	e, err := mark.Inspect(f.path, mostSaid)
	if mark.Unreadable(err) {
		return nil
	}
	if err != nil {
		return err
	}
	f.evidence = e
	said := string(e.Content)
	switch {
	case f.name(said, address.Beside(f.path, said)):
	case said == "":
		return f.findClaim()
	default:
		f.claimant.pid = parseLine(said)
	}
	return nil
}

// mostNames bounds the search of a directory.
const mostNames = 10_000

// findClaim finds the unique file of lockfile's link, which says nothing.
func (f *found) findClaim() error {
	dir, _ := address.Split(f.path)
	names, err := sys.Names(dir, mostNames)
	if err != nil && !mark.Unreadable(err) {
		return err
	}
	for _, name := range names {
		c, ok := parseName(name)
		if !ok {
			continue
		}
		claim := address.Beside(f.path, name)
		if info, err := sys.Lstat(claim); err == nil && info.ID == f.evidence.Info.ID {
			f.claim, f.claimant, f.evidence.Name = claim, c, claim
			return nil
		}
	}
	return nil
}

// removeFile removes the marker, and the unique file if that is the same file.
func (f *found) removeFile() (removed bool, err error) {
	removed, err = mark.Break(f.path, f.evidence)
	if f.claim == "" || !removed && !f.removedAllTheSame(err) {
		return removed, err
	}
	return removed, errors.Join(err, twice(func() error {
		info, err := sys.Lstat(f.claim)
		if err != nil || info.ID != f.evidence.Info.ID {
			return err
		}
		return sys.Remove(f.claim)
	}))
}

// removedAllTheSame reports whether the marker is gone though its removal failed,
// as when a server's reply is lost.
func (f *found) removedAllTheSame(err error) bool {
	if errors.Is(err, mark.ErrChanged) {
		return false // by others, who may have a file of that name again
	}
	info, err := sys.Lstat(f.path)
	return sys.IsGone(err) || err == nil && info.ID != f.evidence.Info.ID
}
