//go:build windows

package filelock

import (
	"errors"
	"io/fs"

	"github.com/gofilelock/filelock/internal/sys"
	"golang.org/x/sys/windows"
)

// open opens the lock file: the one that is there, or else a new one. While it
// is open, nobody can remove, replace or rename it.
func (g *fileGrant) open(mode *fs.FileMode) (err error) {
	if info, err := sys.Lstat(g.path); err == nil && !info.Mode.IsRegular() {
		return irregular(info.Mode)
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
		return err
	}
	return errMoved
}

// verify describes the file. It cannot have been replaced: see open.
func (g *fileGrant) verify() (sys.Info, error) {
	info, err := g.file.Info()
	g.id = info.ID
	return info, err
}

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
