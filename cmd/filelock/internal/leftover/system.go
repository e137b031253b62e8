package leftover

import (
	"context"
	"errors"
	"strings"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/sys"
)

// guardSuffix ends the name of the file under the lock of which package marker
// breaks a symbolic link.
const guardSuffix = lockSuffix + ".break"

// system finds the files of the system's locks that nobody holds. They are empty
// unless their users write something, and whatever is not may be data. Programs
// that have opened one and not locked it yet cannot be seen; and py-filelock 3.9
// has an empty file for the marker of a soft lock.
func (c *candidate) system() (*Leftover, error) {
	named := strings.HasSuffix(c.name, lockSuffix) && c.name != lockSuffix || strings.HasSuffix(c.name, guardSuffix)
	if !named || c.evidence.Info.Size > 0 || c.evidence.Info.Links > 1 {
		return nil, nil
	}
	for _, lock := range []*filelock.FileLock{filelock.New(c.path), filelock.New(c.path, filelock.WithRecordLocks())} {
		if used, err := held(lock); used || err != nil {
			return nil, err
		}
	}
	l := c.found("lock file", "nobody holds a lock on it", Risky)
	l.remove = c.removeUnlocked
	return l, nil
}

// held reports whether somebody has the lock, as far as the system tells.
func held(lock *filelock.FileLock) (bool, error) {
	s, err := lock.Inspect(context.Background())
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return s.Held, err
}

// removeUnlocked removes the file while it has all kinds of locks on it.
func (c *candidate) removeUnlocked(ctx context.Context) error {
	f, err := sys.Open(c.path, sys.ReadWrite)
	if err != nil {
		return err
	}
	err = f.TryRecordLock(false)
	if err == nil || errors.Is(err, sys.ErrNoLocks) {
		err = c.breakFile(ctx)
	}
	return errors.Join(err, f.Close())
}
