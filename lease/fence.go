package lease

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"sync"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
)

// A Fence belongs to a resource that only the holder of a lock may change. It
// refuses whoever comes with a lower token than it has seen: a holder that has
// lost the lock and does not know it yet. The zero Fence has seen none. It is
// safe for use by any number of goroutines.
type Fence struct {
	mu      sync.Mutex
	highest uint64
}

// Check lets the holder with the given token pass. It fails with an error that
// matches [filelock.ErrLost] if there has been one with a higher token, and with
// one that matches [fs.ErrInvalid] if the token is 0, which is none.
//
// What has passed is remembered in memory only: a resource that outlives its
// process stores [Fence.Highest] together with what is changed, and begins with
// a Check of what it has stored.
func (f *Fence) Check(token uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case token == 0:
		return invalid("the hold has no fencing token")
	case token < f.highest:
		return fmt.Errorf("%w: token %d comes after %d", filelock.ErrLost, token, f.highest)
	}
	f.highest = token
	return nil
}

// Highest returns the highest token that has passed, 0 if there was none.
func (f *Fence) Highest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.highest
}

// fence gives the lock a token, if there are to be any. Whoever is stopped
// meanwhile, for so long that the lock goes to somebody else, may get the higher
// one; that hold never begins, since it is renewed before it does.
func (g *grant) fence(ctx context.Context) error {
	if !g.backend.config.Fencing {
		return nil
	}
	_, err := mark.Persist(ctx, func() (_ bool, err error) {
		g.token, err = nextToken(g.path + ".token")
		return false, err
	})
	switch {
	case errors.Is(err, sys.ErrBusy): // a process that was stopped while it had its own, maybe
		return fmt.Errorf("%w: somebody else is taking a fencing token", filelock.ErrLocked)
	case err != nil:
		return fmt.Errorf("fencing token: %w", err)
	}
	return nil
}

// The number in a token file always has as many digits, so that writing the next
// one changes no more than that.
const (
	tokenLine = "%020d\n"
	tokenSize = 21
)

// nextToken raises the number in the file at path by one, and makes sure that it
// stays so. The file is made if there is none. It fails with [sys.ErrBusy] where
// somebody else is at it.
func nextToken(path string) (token uint64, err error) {
	f, err := openToken(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Info()
	if err == nil && !info.Mode.IsRegular() {
		err = sys.Irregular(info.Mode)
	}
	if err != nil {
		return 0, err
	}
	switch err := f.TryLock(false); {
	case errors.Is(err, sys.ErrNoLocks):
		return 0, fmt.Errorf("%w: %w", filelock.ErrUnsupported, err)
	case err != nil:
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Unlock()) }()
	if token, err = readToken(f); err != nil {
		return 0, err
	}
	if err := alone(path, info.ID); err != nil {
		return 0, err
	}
	if token == 0 { // the file is new, and its name has to stay as well
		dir, _ := address.Split(path)
		if err := sys.SyncDir(dir); err != nil {
			return 0, err
		}
	}
	token++
	if _, err := f.WriteAt(fmt.Appendf(nil, tokenLine, token), 0); err != nil {
		return 0, err
	}
	return token, f.Sync()
}

// alone fails if the file of that number has a name besides path, in the one look
// that shows both: a stranger can have linked a file there that it may not write
// to. It fails with [sys.ErrBusy] if path leads elsewhere by now.
func alone(path string, id sys.ID) error {
	at, err := sys.Lstat(path)
	switch {
	case sys.IsGone(err) || err == nil && at.ID != id:
		return sys.ErrBusy
	case err == nil && at.Links > 1:
		return invalid("%s has other names (remove it)", path)
	}
	return err
}

func openToken(path string) (sys.File, error) {
	for range attempts {
		f, err := sys.Open(path, sys.ReadWrite)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = sys.Create(path, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return sys.File{}, fmt.Errorf("%s comes and goes", path)
}

// readToken returns the number in f: 0 if it has just been made.
func readToken(f sys.File) (uint64, error) {
	text := make([]byte, tokenSize+1)
	n, err := f.ReadAt(text, 0)
	if err == io.EOF && n == 0 {
		return 0, nil
	}
	if err != io.EOF && err != nil {
		return 0, err
	}
	if n == tokenSize && text[n-1] == '\n' {
		if token, err := strconv.ParseUint(string(text[:n-1]), 10, 64); err == nil && token < math.MaxUint64 {
			return token, nil
		}
	}
	return 0, invalid("the file does not hold a token")
}
