//go:build windows

package filelock

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
	"golang.org/x/sys/windows"
)

// openFile opens the lock file: the one that is there, or else a new one. While it
// is open, nobody can remove, replace or rename it.
func (g *fileGrant) openFile(mode *fs.FileMode) (err error) {
	g.readOnly = nil
	if info, err := sys.Lstat(g.path); err == nil && !info.Mode.IsRegular() {
		return sys.Irregular(info.Mode)
	}
	for range attempts {
		g.file, err = sys.Open(g.path, sys.ReadWrite)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			g.file, err = create(g.path, mode)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else has made it
			}
		case sys.MayRead(err):
			g.readOnly = err
			g.file, err = sys.Open(g.path, sys.ReadOnly)
		}
		if err != nil {
			return err
		}
		return g.opened()
	}
	return ErrLocked
}

// leads has nothing to find out: see openFile.
func (g *fileGrant) leads() error { return nil }

// goesOn reports whether the lock is held still that could not be given back.
func (g *fileGrant) goesOn() bool { return true }

// writable describes the file for content to be written to it.
func (g *fileGrant) writable() (sys.Info, error) { return g.file.Info() }

// removeHeld has nothing to do: the file is open.
func (g *fileGrant) removeHeld() error { return nil }

// removeFree removes the file if that is wanted and nobody has it open: who
// has may have locked it.
func (g *fileGrant) removeFree() error {
	if !g.remove {
		return nil
	}
	err := sys.RemoveUnused(g.path)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// keep does nothing: as long as a file is open nobody can remove it.
func (g *fileGrant) keep() (bool, error) { return false, nil }
