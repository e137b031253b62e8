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
	l.remove = func(ctx context.Context) error {
		hold, err := filelock.New(path).TryAcquire(ctx)
		if err != nil {
			return err
		}
		return errors.Join(c.breakFile(ctx), hold.Release())
	}
	return l, nil
}
