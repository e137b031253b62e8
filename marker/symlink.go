package marker

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// A symlink is a marker that is a symbolic link. It is known by where it leads:
// to a unique name, which is of no file.
type symlink struct{ name string }

// placeSymlink makes the link, in one step.
func placeSymlink(path string) (mark.Marker, error) {
	name, err := newName()
	if err != nil {
		return nil, err
	}
	s := symlink{name}
	err = sys.Symlink(name, path)
	if err == nil || s.At(path) == nil { // a server may have done what it says it has not
		return s, nil
	}
	return nil, err
}

// At fails with [mark.ErrChanged] where path certainly does not lead to s.
func (s symlink) At(path string) error {
	var target string
	err := mark.Refresh(path)
	if err == nil {
		target, err = sys.Readlink(path)
	}
	if sys.IsGone(err) || errors.Is(err, sys.ErrNoSymlink) || err == nil && target != s.name {
		return mark.ErrChanged
	}
	return err
}

// Remove removes the link, even if others cannot be kept from it.
func (s symlink) Remove(path string) (removed bool, err error) {
	remove := func() error { return s.removeNow(path, &removed) }
	err = alone(path, remove)
	if errors.Is(err, errNotAlone) {
		err = remove()
	}
	return removed, err
}

func (s symlink) removeNow(path string, removed *bool) error {
	if err := s.At(path); err != nil {
		return err
	}
	err := sys.Remove(path)
	if sys.IsGone(err) {
		return mark.ErrChanged
	}
	if err != nil && errors.Is(s.At(path), mark.ErrChanged) {
		err = nil // a server has done what it says it has not
	}
	*removed = err == nil
	return err
}

// Close has nothing to do.
func (s symlink) Close() error { return nil }

// errNotAlone is returned where others cannot be kept out.
var errNotAlone = errors.New("the file that keeps others out cannot be locked")

// alone calls do while nobody else of this package removes the link at path. A
// symbolic link cannot be locked, so there is a file for it meanwhile. It fails with
// [sys.ErrBusy] where somebody else has that, and with errNotAlone where nobody can be
// kept out: with both where it is another user's, who lets nobody else open it and has
// just made it. Who was killed has left it, and keeps others out for ever.
func alone(path string, do func() error) (err error) {
	guard := filelock.New(path+".break", filelock.WithRemove(), filelock.NonBlocking(), filelock.WithLogger(slog.New(slog.DiscardHandler)))
	called, done := false, error(nil)
	for range 3 { // in between somebody may have removed his
		err = guard.Do(context.Background(), func(context.Context) error {
			called, done = true, do()
			return done
		})
		switch {
		case called && done == nil && errors.Is(err, fs.ErrPermission):
			return nil // another user's, who has left it, and who alone may remove it
		case err == nil, called:
			return err
		case errors.Is(err, filelock.ErrLocked):
			return sys.ErrBusy
		case !errors.Is(err, fs.ErrPermission):
			return errors.Join(errNotAlone, err)
		}
		if there, errThere := sys.Lstat(guard.Path()); errThere == nil {
			if time.Since(time.Unix(0, there.ModTime)).Abs() < longestGuard {
				err = errors.Join(sys.ErrBusy, err)
			}
			break
		}
	}
	return errors.Join(errNotAlone, err)
}

// longestGuard is for how long a removal can last, with what clocks may differ by.
// Most take less than a millisecond.
const longestGuard = 10 * time.Second

// lookAtSymlink reads where the link leads, and does not go there.
func (f *found) lookAtSymlink() error {
	target, err := sys.Readlink(f.path)
	if errors.Is(err, sys.ErrNoSymlink) {
		return fs.ErrNotExist // it has just been replaced
	}
	if err != nil {
		return err
	}
	if !f.name(target, target) {
		f.foreign = invalid("the symbolic link is not a lock's; if nobody uses it, remove it by hand")
	}
	return nil
}

// removeSymlink removes the link if it is the one that was found.
func (f *found) removeSymlink() (removed bool, err error) {
	err = alone(f.path, func() error {
		now, err := mark.Lstat(f.path, f.evidence.Info.ID)
		if err == nil && (now.ID != f.evidence.Info.ID || now.ModTime != f.evidence.Info.ModTime) || sys.IsGone(err) {
			return mark.ErrChanged
		}
		if err != nil {
			return err
		}
		return symlink{f.claim}.removeNow(f.path, &removed)
	})
	return removed, err
}
