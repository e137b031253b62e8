package leftover

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gofilelock/filelock/internal/sys"
)

// A Walk says where to look.
type Walk struct {
	Recursive bool // in the directories below, too
	Across    bool // even on other file systems

	Found  func(*Leftover) // which can be removed until it returns
	Failed func(error)     // something could not be looked at; the walk goes on
}

// In looks at all that is in the directory at dir, which may be a symbolic link.
// Others are not followed. It ends early, with its error, if ctx does.
//
// Who may rename directories cannot have it look elsewhere on Linux: each of them
// is held while it is looked at.
func (w *Walk) In(ctx context.Context, dir string) error {
	at, letGo, err := sys.Anchor(dir, true)
	if err != nil {
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	defer letGo()
	info, err := sys.Stat(at)
	if err != nil {
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	return w.in(ctx, at, dir, info.ID.Dev)
}

// in looks at the directory at a path, which is shown as dir.
func (w *Walk) in(ctx context.Context, at, dir string, device uint64) error {
	err := sys.EachName(at, portion, func(names []string) error { return w.these(ctx, names, at, dir, device) })
	if err != nil && ctx.Err() == nil {
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	return err
}

// portion is how many names of a directory are read at a time: of most, all.
const portion = 100_000

// these looks at some of what is in a directory.
func (w *Walk) these(ctx context.Context, names []string, at, dir string, device uint64) error {
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.look(filepath.Join(at, name), filepath.Join(dir, name))
		if !w.Recursive {
			continue
		}
		if err := w.below(ctx, filepath.Join(at, name), filepath.Join(dir, name), device); err != nil {
			return err
		}
	}
	return nil
}

// look looks at what is at a path.
func (w *Walk) look(at, shown string) {
	l, err := At(at)
	switch {
	case err != nil:
		w.Failed(fmt.Errorf("%s: %w", shown, err))
	case l != nil:
		l.Path = shown
		w.Found(l)
	}
}

// below looks into what is at a path if that is a directory to be looked into.
func (w *Walk) below(ctx context.Context, at, dir string, device uint64) error {
	if info, err := sys.Lstat(at); err != nil || !info.Mode.IsDir() {
		return nil
	}
	held, letGo, err := sys.Anchor(at, false)
	switch {
	case sys.IsGone(err): // since then
		return nil
	case err != nil:
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	defer letGo()
	if info, err := sys.Stat(held); err != nil || info.ID.Dev != device && !w.Across {
		return nil
	}
	return w.in(ctx, held, dir, device)
}
