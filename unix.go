//go:build unix && !aix

package filelock

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
)

// open opens the lock file: the one that is there, or else a new one. Creating
// comes second because in a sticky directory O_CREAT on another user's file is
// refused (fs.protected_regular), though opening it is not.
//
// It is opened for writing, because NFS refuses an exclusive lock on a file
// that is not, and otherwise for reading.
func (g *fileGrant) open(mode *fs.FileMode) error {
	for range attempts {
		info, err := sys.Lstat(g.path)
		switch {
		case err == nil && !lockable(info.Mode):
			return irregular(info.Mode) // unopened: opening a device can do things
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
		return err
	}
	return errMoved
}

// verify makes sure that what has been locked is a file or a directory, and is
// what the path leads to. Otherwise others could lock what it leads to. It
// fails with errMoved if the file was replaced.
func (g *fileGrant) verify() (sys.Info, error) {
	info, err := g.file.Info()
	if sys.IsGone(err) {
		return info, errMoved
	}
	if err != nil {
		return info, err
	}
	if !lockable(info.Mode) {
		return info, irregular(info.Mode)
	}
	g.id = info.ID
	return info, g.leads()
}

// leads fails with errMoved if the path does not lead to the file.
func (g *fileGrant) leads() error {
	at, err := sys.Lstat(g.path)
	if sys.IsGone(err) || err == nil && at.ID != g.id {
		return errMoved
	}
	return err
}

// removeHeld removes the file if that is wanted and nobody shares it. Who waits
// for it finds out when it gets the lock.
func (g *fileGrant) removeHeld() error {
	if !g.remove {
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
	if errors.Is(err, ErrLocked) || errors.Is(err, errMoved) {
		return nil
	}
	return err
}

// removeFree has nothing to do: see removeHeld.
func (g *fileGrant) removeFree() error { return nil }
