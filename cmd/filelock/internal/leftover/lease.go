package leftover

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/lease"
)

// lease finds leases, and the claims of leases, that have been over for longer
// than clocks may differ. Its holder may be a stopped process that never noticed.
func (c *candidate) lease() (*Leftover, error) {
	said := string(c.evidence.Content)
	parts := strings.Split(said, separator)
	if len(parts) != 4 || strings.TrimSpace(said) != said || strings.ContainsFunc(said, procid.Control) {
		return nil, nil
	}
	if pid, err := strconv.Atoi(parts[2]); err != nil || pid <= 0 {
		return nil, nil
	}
	ends := time.Unix(0, c.evidence.Info.ModTime)
	if time.Since(ends) <= lease.DefaultSlop {
		return nil, nil
	}
	who := fmt.Sprintf("that of pid %s on %s is over", parts[2], procid.Printable(parts[1]))
	switch {
	case filepath.Base(said) == c.name:
		if c.evidence.Info.Links > 1 {
			return nil, nil // it is the lock, and goes with it
		}
		l := c.found("lease's claim", who, Risky)
		l.remove = c.breakFile
		return l, nil
	case filepath.Base(parts[0]) == c.name:
		if strings.Contains(c.path, separator) { // package lease takes no such path
			return c.found("lease", who+", but its path has a separator in it", Doubtful), nil
		}
		l := c.found("lease", who, Certain)
		l.remove = c.endLease
		return l, nil
	}
	return nil, nil
}

// separator stands between the parts of a claim unless lease.Config says
// otherwise.
var separator = map[bool]string{false: "|", true: "^"}[runtime.GOOS == "windows"]

// endLease takes the lock, by which whoever wants it breaks what has ended and
// nothing else, by its own clock and the file system's. It gives it back at once.
func (c *candidate) endLease(ctx context.Context) error {
	hold, err := lease.New(c.path, lease.Config{}).TryAcquire(ctx)
	if err != nil {
		return err
	}
	if err := hold.Release(); !errors.Is(err, filelock.ErrLost) {
		return err
	}
	return nil // it is somebody else's by now
}
