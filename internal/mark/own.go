package mark

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

// An Own is a marker that the caller has made. Its content is like no other's,
// so that is what it is known by: its times may change, and its number as well
// on file systems that do not keep theirs.
//
// It may be looked at by several goroutines at once.
type Own struct {
	path     string // where it was made
	info     sys.Info
	content  []byte
	modified atomic.Int64 // its mtime, as was last seen
	common   bool         // its content is like that of others
	steady   atomic.Bool  // another name has been seen to have its number
	kept                  // the file itself, where it can be kept open
}

// Create makes a marker at path with the permissions mode, or if that is nil
// with those that are usual. It fails with [fs.ErrExist] where anything is
// there, and leaves no file behind when it fails.
func Create(path string, mode *fs.FileMode, content []byte) (*Own, error) {
	perm := fs.FileMode(0o666)
	if mode != nil {
		perm = *mode
	}
	return (&Own{content: content}).create(path, perm, mode)
}

// CreateClaim is Create at a path that nobody else comes to. A server may have made
// the file though it says it has not, so it is removed whatever the error is.
func CreateClaim(path string, mode *fs.FileMode, content []byte) (*Own, error) {
	o, err := Create(path, mode, content)
	if err == nil {
		return o, nil
	}
	sys.Remove(path)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s is in the way", path) // not ErrExist: that would be the marker
	}
	return nil, err
}

// CreateCommon makes a marker at path, as [Create] does but with a content that
// others can have as well, and with permissions from which the umask is taken.
// It is known by its number, if that keeps.
func CreateCommon(path string, perm fs.FileMode, content []byte) (*Own, error) {
	o, err := (&Own{content: content, common: true}).create(path, perm, nil)
	if err != nil {
		return nil, err
	}
	if err := o.At(path); err != nil {
		return nil, errors.Join(err, o.Undo(path, o))
	}
	return o, nil
}

func (o *Own) create(path string, perm fs.FileMode, mode *fs.FileMode) (*Own, error) {
	f, err := sys.Create(path, perm)
	if err != nil {
		return nil, err
	}
	o.path = path
	if err := o.fill(f, mode); err != nil {
		return nil, errors.Join(err, discard(f, path))
	}
	if o.kept, err = keep(f); err != nil {
		_, errRemove := remove(path, o.approve)
		return nil, errors.Join(err, errRemove)
	}
	return o, nil
}

func (o *Own) fill(f sys.File, mode *fs.FileMode) (err error) {
	if mode != nil {
		if err := f.Chmod(*mode); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(o.content, 0); err != nil {
		return err
	}
	if o.common {
		f.Stamp() // or the next one in its place may have its time too
	}
	if o.info, err = f.Info(); err != nil {
		return err
	}
	o.modified.Store(o.info.ModTime)
	return f.Flush() // before it has a name that others know
}

// Rewrite has o say something else, of the same length, for use at another time.
// No name may lead to it meanwhile that others believe in. When it fails, o says
// anything.
func (o *Own) Rewrite(content []byte) error {
	if len(content) != len(o.content) {
		return errors.ErrUnsupported
	}
	info, err := o.kept.rewrite(content)
	if err == nil && info.Size != int64(len(content)) {
		err = ErrChanged // somebody else has written to it
	}
	if err == nil {
		o.info, o.content = info, content
		o.modified.Store(info.ModTime)
	}
	return err
}

// ID returns the number of the file.
func (o *Own) ID() sys.ID { return o.info.ID }

// Made describes the file as it was made.
func (o *Own) Made() sys.Info { return o.info }

// Touch gives o the times t and describes it, while nobody removes it who does
// so as this package does. It fails with [ErrChanged] where path does not lead
// to o by then: whatever it leads to has been left alone. It fails with
// [sys.ErrBusy] where somebody else is at it. One goroutine calls it at a time.
func (o *Own) Touch(path string, t time.Time) (now sys.Info, err error) {
	err = o.guarded(o.path, o.approve, func(f sys.File) error {
		if err := f.SetTimes(t); err != nil {
			return err
		}
		if now, err = f.Info(); err != nil {
			return err
		}
		o.modified.Store(now.ModTime)
		if now.Changed, err = f.Changed(); err != nil {
			return err
		}
		return o.At(path)
	})
	return now, err
}

// At fails with [ErrChanged] where path certainly does not lead to o.
func (o *Own) At(path string) error {
	if err := refresh(path, o.info.ID); sys.IsGone(err) {
		return ErrChanged
	} else if err != nil {
		return err
	}
	return o.settled(path)
}

// settled is At for who has just had the server do something to the name.
func (o *Own) settled(path string) error {
	at, err := sys.Lstat(path)
	switch {
	case sys.IsGone(err):
		return ErrChanged
	case err != nil:
		return err
	case !at.Mode.IsRegular():
		return ErrChanged
	}
	if at.ID == o.info.ID {
		if path != o.path || o.common { // its first name has that number everywhere, as it is open
			o.steady.Store(true)
		}
		if at.ModTime == o.modified.Load() {
			return nil
		}
	}
	if o.common && o.steady.Load() && at.ID != o.info.ID {
		return ErrChanged
	}
	// It has been touched, or is another one, or has another number now.
	e, err := Inspect(path, len(o.content))
	switch {
	case sys.IsGone(err), Unreadable(err) && o.isNot(path):
		return ErrChanged
	case err == nil && !bytes.Equal(e.Content, o.content):
		return ErrChanged
	}
	return err
}

// isNot reports whether path, which may not be read, certainly does not lead to o.
func (o *Own) isNot(path string) bool {
	at, err := sys.Lstat(path) // it may have come since
	switch {
	case err != nil:
		return sys.IsGone(err)
	case at.ID == o.info.ID:
		return false
	}
	return o.steady.Load() || o.isOther(at)
}

// Settle makes sure that o has the name path, after an attempt to give it that
// which came to err: a server may have done what it says it has not, and others
// may undo it. It fails with [fs.ErrExist] if it is another's.
func (o *Own) Settle(path string, err error) error {
	switch errAt := o.settled(path); {
	case errAt == nil:
		return nil
	case errors.Is(err, fs.ErrExist) && !errors.Is(errAt, ErrChanged):
		return errAt // it may be ours
	case !errors.Is(errAt, ErrChanged):
		return errors.Join(err, errAt)
	case err == nil:
		return fs.ErrExist // taken away, by somebody who breaks markers less carefully
	}
	return err
}

// Remove takes away the name path of o. It fails with [ErrChanged] where path
// does not lead to o, and with [sys.ErrBusy] where somebody else is at it. Where
// others cannot be kept from it nobody breaks it, and it is removed all the
// same. Like [Break] it reports whether it has done it.
func (o *Own) Remove(path string) (removed bool, err error) {
	removed, err = o.kept.remove(o.info, path, o.approve)
	if !removed && Unreadable(err) && o.isNot(path) {
		return false, ErrChanged // and keeps us from opening it
	}
	if !errors.Is(err, ErrChanged) {
		return removed, err
	}
	switch errAt := o.At(path); {
	case errAt == nil:
		return remove(path, o.approve) // by another number
	case !errors.Is(errAt, ErrChanged):
		return false, errAt
	}
	return false, err
}

// Withdraw removes o if it stands at path, and ends its use. It tries twice, the
// second time with a descriptor more.
func (o *Own) Withdraw(path string) error {
	err := o.Undo(path, o)
	if u, ok := err.(*Unfinished); ok {
		return errors.Join(u.error, o.Close())
	}
	return err
}

// Undo is Withdraw for an attempt that failed. Where o may stand still, the use of
// whole, which it is all or a part of, has not ended, and the error is [Unfinished].
func (o *Own) Undo(path string, whole Marker) error {
	_, err := o.Remove(path)
	if err != nil && !errors.Is(err, ErrChanged) {
		if _, errAgain := remove(path, o.approve); errAgain != nil && !errors.Is(errAgain, ErrChanged) {
			return NewUnfinished(err, path, whole)
		}
	}
	errClose := o.Close()
	if errors.Is(err, ErrChanged) {
		return errClose
	}
	return errors.Join(err, errClose)
}

func (o *Own) approve(f sys.File, locked error) error {
	if locked != nil && !errors.Is(locked, sys.ErrNoLocks) {
		return locked
	}
	info, err := f.Info()
	if err != nil {
		return err
	}
	if info.Size != int64(len(o.content)) || o.common && o.steady.Load() && info.ID != o.info.ID {
		return ErrChanged
	}
	now := make([]byte, len(o.content))
	n, err := f.ReadAt(now, 0)
	if err == io.EOF || err == nil && !bytes.Equal(now[:n], o.content) {
		err = ErrChanged
	}
	return err
}
