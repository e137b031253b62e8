// Package mark makes and removes marker files, the existence of which says that
// a lock is held.
//
// A marker is removed after it has been inspected, and no other one that has
// taken its place. A marker's file number and times are no identity, since
// numbers are used again at once. Nor does it help to rename the marker away and
// look at it then: whoever was the successor has lost it by that time. So all
// who remove markers exclude each other, with flock(2) on the very file, and the
// one that has the flock finds out whether the path still names that file, and
// whether it still says what was inspected, before it takes the name away. While
// it does so the file cannot leave the path, and its number cannot be used
// again, since it is open. On Windows, opening the file for nobody else to open
// does both.
package mark

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/sys"
)

// ErrChanged is returned where the path no longer names the marker that is
// meant. Whatever it names has been left alone.
var ErrChanged = errors.New("another file has taken its place")

// Evidence is what was seen of a marker.
type Evidence struct {
	Info    sys.Info
	Content []byte // all of it, or the first Limit bytes and one more
	Limit   int
	// Name is another path of the same file, which a marker that says nothing
	// is known by; it may be empty.
	Name string
}

// Inspect reads the regular file at path, limit bytes of it and one more if
// there are more. It changes nothing and follows no link. What is no regular
// file is not read; its Evidence has no Content.
func Inspect(path string, limit int) (Evidence, error) {
	info, err := There(path)
	if err != nil || !info.Mode.IsRegular() {
		return Evidence{Info: info}, err // unopened: opening a device can do things
	}
	f, err := sys.Open(path, sys.Peek)
	if err != nil {
		return Evidence{Info: info}, err
	}
	e, err := read(f, limit)
	return e, errors.Join(err, f.Close())
}

// ErrUnreadable is returned where there is a marker that may not be read.
var ErrUnreadable = errors.New("the marker may not be read")

// Look is Inspect of a marker. It fails with [fs.ErrNotExist] if there is none,
// or no longer, and with [sys.Irregular] if what is there is not a file. If it
// fails with [ErrUnreadable], the evidence is what can be seen from outside.
func Look(path string, limit int) (Evidence, error) {
	e, err := Inspect(path, limit)
	switch {
	case e.Info.Mode.IsRegular() && Unreadable(err):
		return e, ErrUnreadable
	case sys.IsStale(err) && e.Info != (sys.Info{}): // since it was looked at
		return e, fs.ErrNotExist
	case err == nil && !e.Info.Mode.IsRegular():
		return e, sys.Irregular(e.Info.Mode)
	}
	return e, err
}

// Unreadable reports whether err says that there is something which may not be read,
// at least now.
func Unreadable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, sys.ErrBusy)
}

func read(f sys.File, limit int) (Evidence, error) {
	info, err := f.Info()
	if err != nil || !info.Mode.IsRegular() {
		return Evidence{Info: info}, err
	}
	content := make([]byte, limit+1) // one more, to notice that there are more
	n, err := f.ReadAt(content, 0)
	if err == io.EOF {
		err = nil
	}
	return Evidence{Info: info, Content: content[:n], Limit: limit}, err
}

// Break removes the marker at path if it is the one that e was seen of.
//
// It fails with [ErrChanged] where it is another, with [sys.ErrBusy] where somebody
// else is at it, and with [sys.ErrNoLocks] where others cannot be kept from it.
//
// It reports whether the marker is gone by its doing. If so, an error is about
// tidying up and no more.
func Break(path string, e Evidence) (removed bool, err error) {
	removed, err = remove(path, func(f sys.File, locked error) error {
		if locked != nil {
			return locked
		}
		now, err := read(f, e.Limit)
		if err == nil && !e.same(now) {
			err = ErrChanged
		}
		if err == nil && e.Name != "" {
			err = leads(e.Name, now.Info)
		}
		return err
	})
	if !removed {
		err = e.UnlessAnother(path, err)
	}
	return removed, err
}

// BreakUnguarded is Break for file systems where others cannot be kept from the
// marker. Whoever removes it and makes another one between the last look and the
// removal, which follow each other at once, loses the other one.
func BreakUnguarded(path string, e Evidence) (removed bool, err error) {
	now, err := Inspect(path, e.Limit)
	switch {
	case err != nil:
		return false, e.UnlessAnother(path, noMarker(path, err))
	case !e.same(now):
		return false, ErrChanged
	}
	err = sys.Remove(path)
	if sys.IsGone(err) {
		return false, ErrChanged
	}
	return err == nil, err
}

// UnlessAnother returns [ErrChanged] in the place of an error that came of another
// marker being at path by now, which may not be read.
func (e Evidence) UnlessAnother(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if now, errNow := Lstat(path, e.Info.ID); sys.IsGone(errNow) || errNow == nil && !e.alike(now) {
		return ErrChanged
	}
	return err
}

func (e Evidence) same(now Evidence) bool {
	return e.alike(now.Info) && bytes.Equal(now.Content, e.Content)
}

// alike is same for who sees it from outside: another file may have its number now.
func (e Evidence) alike(now sys.Info) bool {
	return now.ID == e.Info.ID && now.ModTime == e.Info.ModTime
}

// An approval says why f must not be removed. It is told whether others are
// kept from f meanwhile.
type approval func(f sys.File, locked error) error

// Lstat is [sys.Lstat] for who knows of the file id. If that may be on a file server,
// the server is asked anew.
func Lstat(path string, id sys.ID) (sys.Info, error) {
	if err := refresh(path, id); err != nil {
		return sys.Info{}, err
	}
	return sys.Lstat(path)
}

// There is Lstat for who would make a marker, and is refused if there is one after
// all: only what is there may have gone.
func There(path string) (sys.Info, error) {
	info, err := sys.Lstat(path)
	if err != nil || info.ID.OnDisk() {
		return info, err
	}
	return Lstat(path, info.ID)
}

func refresh(path string, id sys.ID) error {
	if id.OnDisk() {
		return nil
	}
	return Refresh(path)
}

// Refresh makes sure that who looks at path next sees what is there by now: what a
// file server has told of before may have been removed by others since. It asks twice
// if need be, since what is not known to be there cannot be given back.
func Refresh(path string) error {
	dir, _ := address.Split(path)
	err := sys.Refresh(dir)
	if err != nil {
		err = sys.Refresh(dir)
	}
	return err
}

// leads fails with [ErrChanged] where path certainly does not lead to the file
// of the given description.
func leads(path string, info sys.Info) error {
	at, err := Lstat(path, info.ID)
	if sys.IsGone(err) || err == nil && at.ID != info.ID {
		return ErrChanged
	}
	return err
}

// noMarker returns [ErrChanged] in the place of an error that came of there
// being nothing at path, or something in the place of a marker that is none.
func noMarker(path string, err error) error {
	if err == nil {
		return nil
	}
	if at, errStat := sys.Lstat(path); sys.IsGone(err) || sys.IsGone(errStat) || errStat == nil && !at.Mode.IsRegular() {
		return ErrChanged
	}
	return err
}
