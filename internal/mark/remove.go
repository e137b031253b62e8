//go:build !windows

package mark

import (
	"errors"

	"github.com/gofilelock/filelock/internal/sys"
)

// remove takes away the name path of a file once approve agrees.
func remove(path string, approve approval) (removed bool, err error) {
	// For writing, if that may be: NFS wants that of whoever locks exclusively.
	f, err := sys.Open(path, sys.ReadWrite)
	if sys.MayRead(err) || errors.Is(err, sys.ErrBusy) {
		f, err = sys.Open(path, sys.Peek)
	}
	if err != nil {
		return false, noMarker(path, err)
	}
	removed, err = removeUnknown(f, path, approve)
	return removed, errors.Join(err, f.Close())
}

// removeUnknown is removeOpen for a file of which nothing is known yet.
func removeUnknown(f sys.File, path string, approve approval) (removed bool, err error) {
	info, err := f.Info()
	if err != nil {
		if _, errStat := sys.Lstat(path); sys.IsGone(errStat) {
			err = ErrChanged // since it was opened
		}
		return false, err
	}
	return removeOpen(f, info, path, approve)
}

// removeOpen is remove for a file that is open already, and stays so.
func removeOpen(f sys.File, info sys.Info, path string, approve approval) (removed bool, err error) {
	locked := f.TryLock(false)
	if errors.Is(locked, sys.ErrBusy) {
		return false, locked
	}
	if locked == nil {
		defer func() { err = errors.Join(err, f.Unlock()) }()
	}
	// The path comes first, the content after it. A holder may write a new
	// record into its file while no path leads there, and link it here again:
	// if the path leads to f now, the record read next is the one in force.
	if err := leads(path, info); err != nil {
		return false, err
	}
	if err := approve(f, locked); err != nil {
		return false, err
	}
	if info.Mode.IsDir() {
		return removeEmpty(path)
	}
	err = sys.Remove(path)
	if sys.IsGone(err) {
		return false, ErrChanged // to others, who do not lock it
	}
	if err != nil && errors.Is(leads(path, info), ErrChanged) {
		err = nil // a server has done what it says it has not
	}
	return err == nil, err
}

// discard removes the file f, which has just been made at path, and closes it.
func discard(f sys.File, path string) error {
	_, err := removeUnknown(f, path, func(sys.File, error) error { return nil })
	if errors.Is(err, ErrChanged) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// kept is a marker's file. As long as it is open nobody else's has its number,
// and to give the marker back nothing has to be opened that might not be
// permitted any more.
type kept struct{ file sys.File }

func keep(f sys.File) (kept, error) { return kept{f}, nil }

func (k kept) remove(info sys.Info, path string, approve approval) (removed bool, err error) {
	return removeOpen(k.file, info, path, approve)
}

func (k kept) rewrite(content []byte) (sys.Info, error) {
	if _, err := k.file.WriteAt(content, 0); err != nil {
		return sys.Info{}, err
	}
	return k.file.Info()
}

// guarded does something to the file while others who would remove it are kept
// from that, where they can be.
func (k kept) guarded(_ string, _ approval, do func(sys.File) error) (err error) {
	switch locked := k.file.TryLock(false); {
	case locked == nil:
		defer func() { err = errors.Join(err, k.file.Unlock()) }()
	case !errors.Is(locked, sys.ErrNoLocks):
		return locked
	}
	return do(k.file)
}

// isOther reports whether at, with another number, is certainly not o. Where each name
// of a file may have a number of its own, they have one owner still.
func (o *Own) isOther(at sys.Info) bool {
	if !o.file.IsRemote() {
		return true
	}
	now, err := o.file.Info()
	return err == nil && now.Owner != at.Owner
}

// Close ends the use of the marker, without removing it.
func (k kept) Close() error { return k.file.Close() }
