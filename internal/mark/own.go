package mark

import (
	"bytes"
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
)

// An Own is a marker that the caller has made. Its content is like no other's,
// so that is what it is known by: its times may change, and its number as well
// on file systems that do not keep theirs.
type Own struct {
	info    sys.Info
	content []byte
	kept    // the file itself, where it can be kept open
}

// Create makes a marker at path. It fails as [New] does.
func Create(path string, mode *fs.FileMode, content []byte) (*Own, error) {
	f, err := New(path, mode)
	if err != nil {
		return nil, err
	}
	o := &Own{content: content}
	if _, err = f.WriteAt(content, 0); err == nil {
		o.info, err = f.Info()
	}
	if err != nil {
		return nil, errors.Join(err, discard(f, path))
	}
	if o.kept, err = keep(f); err != nil {
		_, errRemove := remove(path, o.approve)
		return nil, errors.Join(err, errRemove)
	}
	return o, nil
}

// ID returns the number of the file.
func (o *Own) ID() sys.ID { return o.info.ID }

// At fails with [ErrChanged] where path certainly does not lead to o.
func (o *Own) At(path string) error {
	at, err := sys.Lstat(path)
	switch {
	case sys.IsGone(err):
		return ErrChanged
	case err != nil:
		return err
	case !at.Mode.IsRegular():
		return ErrChanged
	case at.ID == o.info.ID && at.ModTime == o.info.ModTime:
		return nil
	}
	// It has been touched, or is another one.
	e, err := Inspect(path, len(o.content))
	switch {
	case sys.IsGone(err), errors.Is(err, fs.ErrPermission) && at.ID != o.info.ID:
		return ErrChanged
	case err == nil && !bytes.Equal(e.Content, o.content):
		return ErrChanged
	}
	return err
}

// Remove takes away the name path of o. It fails with [ErrChanged] where path
// does not lead to o, and with [ErrBusy] where somebody else is at it. Where
// others cannot be kept from it nobody breaks it, and it is removed all the
// same. Like [Break] it reports whether it has done it.
func (o *Own) Remove(path string) (removed bool, err error) {
	removed, err = o.kept.remove(path, o.approve)
	if errors.Is(err, ErrChanged) && o.At(path) == nil {
		return remove(path, o.approve) // by another number
	}
	return removed, err
}

func (o *Own) approve(f sys.File, locked error) error {
	if locked != nil && !errors.Is(locked, sys.ErrNoLocks) {
		return locked
	}
	now, err := read(f, len(o.content))
	if err == nil && !bytes.Equal(now.Content, o.content) {
		err = ErrChanged
	}
	return err
}
