//go:build unix && !aix

package filelock

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// openFile opens the lock file: the one that is there, or else a new one. Creating
// comes second because in a sticky directory O_CREAT on another user's file is
// refused (fs.protected_regular), though opening it is not.
//
// It is opened for writing, because NFS refuses an exclusive lock on a file
// that is not, and otherwise for reading.
func (g *fileGrant) openFile(mode *fs.FileMode) error {
	g.readOnly = nil
	for range attempts {
		info, err := sys.Lstat(g.path)
		switch {
		case err == nil && !lockable(info.Mode):
			return sys.Irregular(info.Mode) // unopened: opening a device can do things
		case err == nil:
			g.file, err = sys.Open(g.path, sys.ReadWrite)
			if sys.MayRead(err) {
				g.readOnly = err
				g.file, err = sys.Open(g.path, sys.ReadOnly)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // somebody has removed it
			}
		case errors.Is(err, fs.ErrNotExist):
			g.file, err = create(g.path, mode)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else has made it
			}
		}
		if errors.Is(err, sys.ErrBusy) {
			return ErrLocked // not by a lock, but for as long as it takes
		}
		if err != nil {
			return err
		}
		return g.opened()
	}
	return ErrLocked
}

// leads fails with errMoved if the path does not lead to the file.
func (g *fileGrant) leads() error {
	if g.path == "" {
		return nil
	}
	at, err := mark.Lstat(g.path, g.id)
	if sys.IsGone(err) || err == nil && at.ID != g.id {
		return errMoved
	}
	return err
}

// goesOn reports whether the lock is held still that could not be given back. A
// server may have done what it says it has not, and the file may have been removed:
// either way others can have the lock.
func (g *fileGrant) goesOn() bool {
	return !errors.Is(g.leads(), errMoved) && !errors.Is(g.lock(g.shared), ErrLocked)
}

// writable describes the file for content to be written to it. It fails if the
// file has a name besides the lock's, in the one look that shows both: a stranger
// can have linked a file here that it may not write to.
func (g *fileGrant) writable() (sys.Info, error) {
	if g.path == "" {
		return g.file.Info()
	}
	at, err := sys.Lstat(g.path)
	switch {
	case sys.IsGone(err) || err == nil && at.ID != g.id:
		return at, errMoved
	case err == nil && at.Links > 1:
		return at, invalid("the file has other names, and the content would be written under those too (use another path)")
	}
	return at, err
}

// removeHeld removes the file if that is wanted and nobody shares it. Who waits
// for it finds out when it gets the lock.
func (g *fileGrant) removeHeld() error {
	if !g.remove || g.isDir {
		return nil
	}
	// This may drop a shared lock, which is about to be given back anyway.
	err := g.lock(false)
	if err == nil {
		err = g.leads()
	}
	if err == nil {
		err = sys.Remove(g.path)
	}
	if errors.Is(err, ErrLocked) || errors.Is(err, errMoved) || sys.IsGone(err) {
		return nil
	}
	return err
}

// removeFree has nothing to do: see removeHeld.
func (g *fileGrant) removeFree() error { return nil }

// keep reports whether the file stays open, which has just been unlocked. Then
// unlocking wakes nobody. So it does not if somebody waits who has left a trace
// in its time of access since that was last looked at: whoever comes later gets
// the lock. Nor does it where that cannot be seen.
func (g *fileGrant) keep() (bool, error) {
	if g.key == "" || g.remove || g.lent || g.readOnly != nil {
		return false, nil
	}
	if !again(g.key) {
		return false, nil
	}
	info, err := g.file.Info()
	if err != nil || !info.Fine || info.Accessed != g.accessed {
		return false, err
	}
	g.local = g.local || !g.file.IsRemote()
	return g.local && keep(g.key, g), nil
}
