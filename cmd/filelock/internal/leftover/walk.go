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

	Found  func(*Leftover)
	Failed func(error) // something could not be looked at; the walk goes on
}

// In looks at all that is in the directory at dir, which may be a symbolic link.
// Others are not followed. It ends early, with its error, if ctx does.
//
// Who may rename directories can have it look elsewhere. What is removed there
// is as certainly left over.
func (w *Walk) In(ctx context.Context, dir string) error {
	info, err := sys.Stat(dir)
	if err != nil {
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	return w.in(ctx, dir, info.ID.Dev)
}

func (w *Walk) in(ctx context.Context, dir string, device uint64) error {
	const all = -1
	names, err := sys.Names(dir, all)
	if err != nil {
		w.Failed(fmt.Errorf("%s: %w", dir, err))
		return nil
	}
	slices.Sort(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		switch l, err := At(path); {
		case err != nil:
			w.Failed(fmt.Errorf("%s: %w", path, err))
		case l != nil:
			w.Found(l)
		}
		if !w.Recursive {
			continue
		}
		if info, err := sys.Lstat(path); err != nil || !info.Mode.IsDir() || info.ID.Dev != device && !w.Across {
			continue
		}
		if err := w.in(ctx, path, device); err != nil {
			return err
		}
	}
	return nil
}
