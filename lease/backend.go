package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// backend is the [filelock.Backend] of leases.
type backend struct {
	path     string
	config   Config // with its defaults
	lifetime atomic.Int64
	misuse   error
	key      *address.Key
	now      func() time.Time // this machine's clock, but for tests
}

func newBackend(path string, c Config) *backend {
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Slop == 0 {
		c.Slop = DefaultSlop
	}
	if c.Separator == 0 {
		c.Separator = defaultSeparator()
	}
	b := &backend{path: path, config: c, now: time.Now}
	b.key = address.KeyOf("github.com/gofilelock/filelock/lease", path)
	b.lifetime.Store(int64(c.Lifetime))
	switch _, base := address.Split(path); {
	case path == "":
		b.misuse = invalid("the lock has no file")
	case strings.ContainsRune(path, 0):
		b.misuse = invalid("the path %q holds a NUL byte", path)
	case base == "." || base == ".." || !strings.HasSuffix(path, base):
		b.misuse = invalid("the path %q is that of a directory", path)
	case c.Slop < 0:
		b.misuse = invalid("slop %s", c.Slop)
	default:
		b.misuse = checkSeparator(c.Separator, path)
	}
	return b
}

func (b *backend) Path() string { return b.path }

func (b *backend) Key(context.Context) (string, error) {
	if b.misuse != nil {
		return "", b.misuse
	}
	return b.key.Get()
}

func (b *backend) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if r.Shared {
		return nil, fmt.Errorf("%w: a lease cannot be shared", filelock.ErrUnsupported)
	}
	c, err := b.claimant(ctx)
	if err != nil {
		return nil, err
	}
	g, err := c.attempt(ctx)
	if errors.Is(err, filelock.ErrLocked) && !r.NoWait {
		interval := r.PollInterval
		if interval == 0 {
			interval = usualInterval
		}
		err = wait.New(c.path, wait.Vanishing, interval, nil).Persevere(ctx, filelock.ErrLocked, func() error {
			g, err = c.attempt(ctx)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

// usualInterval is the longest pause between two attempts: that a lease has ended
// is not heard.
const usualInterval = 500 * time.Millisecond

// A claimant is somebody who wants the lock.
type claimant struct {
	*backend
	path     string // from the root
	host     string
	lifetime time.Duration
}

// claimant reports what makes no sense in what an acquisition would write.
func (b *backend) claimant(ctx context.Context) (c claimant, err error) {
	c = claimant{backend: b, lifetime: time.Duration(b.lifetime.Load())}
	if err := checkLifetime(c.lifetime); err != nil {
		return c, err
	}
	if c.host, err = b.host(ctx); err != nil {
		return c, err
	}
	if err := checkHost(c.host, b.config.Separator); err != nil {
		return c, err
	}
	c.path, err = address.Abs(b.path)
	return c, err
}

// attempts bounds how often in a row others may be faster.
const attempts = 100

// attempt tries once to get the lock. Who only finds it taken leaves no trace.
func (c *claimant) attempt(ctx context.Context) (g *grant, err error) {
	if err := c.refused(c.now()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if g, err = c.claim(); err != nil {
		return nil, err
	}
	if err = c.win(ctx, g); err != nil {
		return nil, errors.Join(err, g.withdraw())
	}
	return g, nil
}

// refused says why the lock cannot be taken at the moment now: it is held, or
// cannot be looked at. It fails with [fs.ErrNotExist] if nobody has it, and
// returns nil if its lease has ended.
func (c *claimant) refused(now time.Time) error {
	s, err := c.look(c.path)
	switch {
	case err != nil && c.passes(err):
		return filelock.ErrLocked
	case err != nil:
		return err
	case !s.breakable(now, c.config.Slop):
		return filelock.ErrLocked
	}
	return nil
}

// claim makes a claim. If it fails it leaves nothing behind.
func (c *claimant) claim() (*grant, error) {
	end := claimEnd(c.host, c.config.Separator)
	own, err := mark.CreateClaim(c.path+end, nil, []byte(c.backend.path+end))
	if err != nil {
		return nil, err
	}
	return &grant{
		backend: c.backend, own: own, path: c.path, claim: c.path + end,
		lifetime: c.lifetime, ends: whole(time.Unix(0, own.Made().ModTime)),
	}, nil
}

// win links the claim to the lock's name, and breaks whatever has ended there.
func (c *claimant) win(ctx context.Context, g *grant) error {
	for range attempts {
		there, err := g.touch(ctx, g.claim)
		if err != nil {
			return fmt.Errorf("the claim: %w", err)
		}
		err = g.own.Settle(c.path, sys.Link(g.claim, c.path))
		g.linked = !errors.Is(err, fs.ErrExist) // for all that is known
		switch {
		case err == nil:
			return g.fence(ctx)
		case errors.Is(err, sys.ErrNoNames):
			return fmt.Errorf("%w: a lease needs hard links: %w", filelock.ErrUnsupported, err)
		case sys.IsStale(err): // NFS has been seen to say so
			continue
		case !errors.Is(err, fs.ErrExist):
			return err
		}
		s, err := c.look(c.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil && c.passes(err):
			return filelock.ErrLocked
		case err != nil:
			return err
		case !s.breakable(earlier(c.now(), there), c.config.Slop):
			return filelock.ErrLocked
		}
		switch err := s.remove(); {
		case err == nil, errors.Is(err, mark.ErrChanged):
		case errors.Is(err, sys.ErrBusy):
			return filelock.ErrLocked // by somebody else who breaks it
		default:
			return fmt.Errorf("its lease has ended, but the lock cannot be removed: %w", err)
		}
	}
	return filelock.ErrLocked
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// A grant is a claim of this process, and the lock once it has its name.
type grant struct {
	backend     *backend
	own         *mark.Own
	path, claim string // from the root
	lifetime    time.Duration
	ends        time.Time // as was written last
	linked      bool      // it may have the lock's name
	token       uint64
	watch       mark.Watch
}

// touch writes when the lease ends into the claim, which is at that path, and
// maybe at the lock's as well. It returns the time by the file system's clock.
// It fails with [mark.ErrChanged] if the claim is not there.
func (g *grant) touch(ctx context.Context, path string) (there time.Time, err error) {
	before := g.backend.now()
	info, err := g.write(ctx, path, g.ends) // what stands there, to be told the time
	if err != nil {
		return there, err
	}
	if there, err = timeThere(info.Changed, before, g.backend.now(), g.backend.config.Slop); err != nil {
		return there, err
	}
	later := before
	if there.After(later) {
		later = there
	}
	ends := whole(later.Add(g.lifetime))
	if _, err = g.write(ctx, path, ends); err == nil {
		g.ends = ends
	}
	return there, err
}

// timeThere returns the time by the file system's clock, where a file was changed
// between two moments of ours. Nobody sets the time of the change.
func timeThere(changed int64, before, after time.Time, slop time.Duration) (there time.Time, err error) {
	if changed == 0 {
		return there, fmt.Errorf("%w: a lease needs a file system that tells when a file was changed", filelock.ErrUnsupported)
	}
	there = time.Unix(0, changed)
	if there.Before(before.Add(-slop)) || there.After(after.Add(slop)) {
		err = fmt.Errorf("%w of %s: it is %s here, and %s there", ErrSkew, slop,
			after.Format(time.RFC3339), there.Format(time.RFC3339))
	}
	return there, err
}

// whole rounds t up to seconds: other times might be cut off.
func whole(t time.Time) time.Time {
	if s := t.Truncate(time.Second); s.Before(t) {
		return s.Add(time.Second)
	}
	return t
}

func (g *grant) write(ctx context.Context, path string, ends time.Time) (info sys.Info, err error) {
	_, err = mark.Persist(ctx, func() (bool, error) {
		info, err = g.own.Touch(path, ends)
		return false, err
	})
	if err == nil && info.ModTime < ends.UnixNano() {
		err = fmt.Errorf("the file system has made %s of %s", time.Unix(0, info.ModTime).UTC(), ends.UTC())
	}
	return info, err
}

// Renew writes a later end of the lease, if the lock is still ours.
func (g *grant) Renew(ctx context.Context, lifetime time.Duration) (time.Duration, error) {
	former := g.lifetime
	if lifetime != 0 {
		if err := checkLifetime(lifetime); err != nil {
			return 0, err
		}
		g.lifetime = lifetime
	}
	_, err := g.touch(ctx, g.path)
	if err != nil {
		g.lifetime = former
	}
	switch {
	case errors.Is(err, mark.ErrChanged):
		return 0, filelock.ErrLost
	case err != nil:
		return 0, err
	case g.backend.config.NoRenewal:
		return 0, nil
	}
	return g.lifetime, nil
}

// OnLoss has lost called if the lock is found to be gone.
func (g *grant) OnLoss(lost func()) {
	g.watch.Start(func() bool { return errors.Is(g.own.At(g.path), mark.ErrChanged) }, lost)
}

func (g *grant) Token() uint64 { return g.token }

// Release removes the lock, and then the claim.
func (g *grant) Release(ctx context.Context) error {
	watched := g.watch.Stop()
	removed, err := mark.Persist(ctx, func() (bool, error) { return g.own.Remove(g.path) })
	switch {
	case removed:
		return filelock.Released(errors.Join(err, g.removeClaim(), g.own.Close()))
	case errors.Is(err, mark.ErrChanged):
		return errors.Join(filelock.ErrLost, g.removeClaim(), g.own.Close())
	case watched:
		g.watch.Resume() // the hold goes on
	}
	return err
}

// withdraw leaves nothing of the claim behind.
func (g *grant) withdraw() (err error) {
	if g.linked {
		err = g.remove()
	}
	return errors.Join(err, g.removeClaim(), g.own.Close())
}

// remove takes the lock's name away from the claim, if it has it. It tries twice.
func (g *grant) remove() error {
	_, err := g.own.Remove(g.path)
	if err != nil && !errors.Is(err, mark.ErrChanged) {
		g.own.Remove(g.path)
		return err
	}
	return nil
}

// removeClaim takes the claim's first name away, which no other file has. It tries
// twice.
func (g *grant) removeClaim() error {
	err := sys.Remove(g.claim)
	if sys.IsGone(err) {
		return nil
	}
	if err != nil {
		sys.Remove(g.claim)
	}
	return err
}
