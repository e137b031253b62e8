package mark

import (
	"errors"

	"github.com/gofilelock/filelock/internal/sys"
)

// remove deletes the file at path once approve agrees. Nobody else can open,
// rename or delete it meanwhile.
func remove(path string, approve approval) (removed bool, err error) {
	removed, err = sys.RemoveHeld(path, func(f sys.File) error { return approve(f, nil) })
	return removed, noMarker(path, err)
}

// discard removes the file f, which has just been made at path, and closes it.
func discard(f sys.File, path string) error {
	made, err := f.Info()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = remove(path, func(f sys.File, _ error) error {
		info, err := f.Info()
		if err == nil && info.ID != made.ID {
			err = ErrChanged
		}
		return err
	})
	if errors.Is(err, ErrChanged) {
		err = nil
	}
	return err
}

// kept is nothing: a file that is open cannot be removed.
type kept struct{}

func keep(f sys.File) (kept, error) { return kept{}, f.Close() }

func (kept) remove(_ sys.Info, path string, approve approval) (removed bool, err error) {
	return remove(path, approve)
}

func (kept) rewrite([]byte) (sys.Info, error) { return sys.Info{}, errors.ErrUnsupported }

// guarded does something to the file at path once approve agrees that it is the
// marker. Nobody can remove it while it is open.
func (kept) guarded(path string, approve approval, do func(sys.File) error) error {
	f, err := sys.Open(path, sys.Touch)
	if err != nil {
		return noMarker(path, err)
	}
	if err = approve(f, nil); err == nil {
		err = do(f)
	}
	return errors.Join(err, f.Close())
}

// isOther reports whether at, with another number, is certainly not o. What o was made
// as has its number still, unless it was renamed.
func (o *Own) isOther(sys.Info) bool {
	made, err := sys.Lstat(o.path)
	return err == nil && made.ID == o.info.ID
}

// Close has nothing to do.
func (kept) Close() error { return nil }
