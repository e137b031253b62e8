package leftover

import (
	"context"
	"errors"
	"strings"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/sys"
)

const newSuffix = lockSuffix + ".new"

// temporary finds the files in which package lockedfile prepares the new content
// of another: it does so under a lock, so they are left over if nobody has that.
func (c *candidate) temporary() (*Leftover, error) {
	path, ok := strings.CutSuffix(c.path, ".new")
	if !ok || !strings.HasSuffix(c.name, newSuffix) {
		return nil, nil
	}
	info, err := sys.Lstat(path)
	if sys.IsGone(err) || err == nil && !info.Mode.IsRegular() {
		return nil, nil // it is not lockedfile's
	}
	if err != nil {
		return nil, err
	}
	if used, err := held(filelock.New(path)); used || err != nil {
		return nil, err
	}
	l := c.found("temporary file", "nobody has the lock under which it was made", Certain)
	l.remove = func(ctx context.Context) error { return c.breakUnder(ctx, path) }
	return l, nil
}

// breakUnder removes the file under the lock of the file at path, which is not
// made if it has gone.
func (c *candidate) breakUnder(ctx context.Context, path string) error {
	f, err := sys.Open(path, sys.ReadWrite)
	if err != nil {
		return err
	}
	if err = f.TryLock(false); err == nil {
		err = c.breakIfAt(ctx, path, f)
	}
	return errors.Join(err, f.Close())
}

// breakIfAt removes the file if what is locked is still at path.
func (c *candidate) breakIfAt(ctx context.Context, path string, locked sys.File) error {
	at, err := sys.Lstat(path)
	if err != nil {
		return err
	}
	info, err := locked.Info()
	if err != nil {
		return err
	}
	if info.ID != at.ID {
		return ErrGone
	}
	return c.breakFile(ctx)
}
