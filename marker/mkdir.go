package marker

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// A directory is a marker that is a directory with one file in it. The name of
// that file is what it is known by.
type directory struct {
	id      sys.ID
	owner   int64
	name    string
	emptied bool // the file has been removed
}

// placeDirectory makes the directory, and the file in it.
func placeDirectory(path string) (mark.Marker, error) {
	name, err := newName()
	if err != nil {
		return nil, err
	}
	if err := sys.Mkdir(path, 0o777); err != nil {
		return nil, err
	}
	d := &directory{name: name}
	err = d.fill(path)
	switch {
	case err == nil:
		return d, nil
	case errors.Is(err, fs.ErrExist) && d.id == (sys.ID{}):
		return nil, err // somebody has broken it, and what comes next is another's
	}
	errBack := d.withdraw(path)
	if errBack != nil && errors.Is(err, fs.ErrExist) {
		return nil, errBack // and not ErrExist, which would have it tried again
	}
	return nil, errors.Join(err, errBack)
}

// fill makes the file. It fails with [fs.ErrExist] if somebody has broken the
// directory meanwhile, and this is another's: of two with a file in it, whoever
// is second sees the other's.
func (d *directory) fill(path string) error {
	at, letGo, err := sys.Anchor(path, false)
	if sys.IsGone(err) {
		return fs.ErrExist
	}
	if err != nil {
		return err
	}
	defer letGo()
	info, err := sys.Stat(at)
	if sys.IsGone(err) {
		return fs.ErrExist
	}
	if err != nil {
		return err
	}
	d.id, d.owner = info.ID, info.Owner
	f, err := sys.Create(filepath.Join(at, d.name), 0o666)
	if sys.IsGone(err) {
		return fs.ErrExist
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	names, err := sys.Names(at, 2)
	if sys.IsGone(err) || err == nil && !slices.Equal(names, []string{d.name}) {
		err = fs.ErrExist
	}
	return err
}

// withdraw removes what has been made.
func (d *directory) withdraw(path string) error {
	if d.id != (sys.ID{}) {
		_, err := emptyAndRemove(path, d.id, d.name, func(at string, _ error) error { return unlink(filepath.Join(at, d.name)) })
		if err == nil || errors.Is(err, mark.ErrChanged) {
			return nil
		}
		if err := unlink(filepath.Join(path, d.name)); err != nil {
			return mark.NewUnfinished(err, path, d)
		}
		d.emptied = true
	}
	err := twice(func() error { return sys.Rmdir(path) })
	if err != nil && d.id != (sys.ID{}) {
		err = mark.NewUnfinished(err, path, d)
	}
	return err
}

// At fails with [mark.ErrChanged] where path certainly does not lead to d.
func (d *directory) At(path string) error {
	at, err := mark.Lstat(path, d.id) // or the file may be believed in, too
	another := err == nil && at.ID != d.id
	if err == nil && !d.emptied {
		_, err = mark.Lstat(filepath.Join(path, d.name), d.id)
	}
	private := errors.Is(err, fs.ErrPermission) && (!sys.IsRemote(path) || at.Owner != d.owner)
	if sys.IsGone(err) || another && (d.emptied || private) {
		return mark.ErrChanged
	}
	return err
}

// Remove removes the file and then the directory.
func (d *directory) Remove(path string) (removed bool, err error) {
	return emptyAndRemove(path, d.id, d.name, func(at string, locked error) error {
		if locked != nil && !errors.Is(locked, sys.ErrNoLocks) {
			return locked
		}
		if d.emptied {
			return nil
		}
		err := takeOut(filepath.Join(at, d.name))
		d.emptied = err == nil
		return err
	})
}

// emptyAndRemove is [mark.RemoveDirectory] for one in which there was a file of the
// given name. It has succeeded, too, if the directory is another's once that has
// been taken out.
func emptyAndRemove(path string, id sys.ID, name string, empty func(at string, locked error) error) (removed bool, err error) {
	emptied := false
	removed, err = mark.RemoveDirectory(path, id, func(at string, locked error) error {
		err := empty(at, locked)
		emptied = err == nil
		return err
	})
	if emptied && !removed && passedOn(path, name) {
		return true, nil
	}
	return removed, err
}

// passedOn reports whether there is nothing but others' files in the directory: who
// was stopped while it made its own, which was broken meanwhile, takes what stands
// in that place for it. On Windows the one that was taken out may be there still, as
// long as somebody has it open.
func passedOn(path, was string) bool {
	const enough = 16
	names, err := sys.Names(path, enough)
	return err == nil && len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool {
		_, ok := parseName(name)
		return !ok || name == was
	})
}

// takeOut removes the file in a directory. It fails with [mark.ErrChanged] where
// there is none, and with [sys.ErrBusy] where somebody has it open who keeps it.
func takeOut(file string) error {
	err := sys.Remove(file)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sys.ErrBusy):
		return err
	case sys.IsGone(err):
		return mark.ErrChanged
	}
	if _, errStat := sys.Lstat(file); sys.IsGone(errStat) {
		return nil // a server has done what it says it has not
	}
	return err
}

// Close has nothing to do.
func (d *directory) Close() error { return nil }

// lookIntoDirectory finds the file in the directory.
func (f *found) lookIntoDirectory() error {
	at, letGo, err := sys.Anchor(f.path, false)
	if err != nil {
		return err
	}
	defer letGo()
	if err := sys.Refresh(at); err != nil {
		return err
	}
	names, err := sys.Names(at, 2)
	if mark.Unreadable(err) {
		f.foreign = invalid("the directory may not be read")
		return nil
	}
	if err != nil {
		return err
	}
	if len(names) > 0 && (len(names) > 1 || !f.name(names[0], filepath.Join(f.path, names[0]))) {
		f.foreign = invalid("the directory holds more than a lock's file; if nobody uses it, remove it by hand")
	}
	return nil
}

// removeDirectory removes the file in the directory, and the directory.
func (f *found) removeDirectory() (removed bool, err error) {
	opened := false
	removed, err = emptyAndRemove(f.path, f.evidence.Info.ID, filepath.Base(f.claim), func(at string, locked error) error {
		opened = true
		if locked != nil {
			return locked
		}
		now, err := sys.Stat(at)
		if sys.IsGone(err) {
			return mark.ErrChanged // nobody can be kept from a directory on Windows
		}
		if err != nil {
			return err
		}
		if now.ModTime != f.evidence.Info.ModTime {
			return mark.ErrChanged
		}
		if f.claim == "" {
			return nil
		}
		return takeOut(filepath.Join(at, filepath.Base(f.claim)))
	})
	if !opened {
		err = f.evidence.UnlessAnother(f.path, err)
	}
	return removed, err
}
