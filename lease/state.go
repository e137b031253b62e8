package lease

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// A State is what can be told of a lock by looking at it, in the six words of
// flufl.lock. What to make of it is up to the caller.
type State int

// The states have flufl.lock's numbers.
const (
	Unlocked      State = iota + 1 // there is no lock file
	Ours                           // this process has it
	OursExpired                    // this process has it, but its lease has ended: others may break it
	Stale                          // a process of this host had it that does not exist any more
	TheirsExpired                  // another process of this host has it, but its lease has ended
	Unknown                        // another process of this host or another has it, or it cannot be read
)

var stateNames = map[State]string{
	Unlocked: "unlocked", Ours: "ours", OursExpired: "ours_expired",
	Stale: "stale", TheirsExpired: "theirs_expired", Unknown: "unknown",
}

// String returns flufl.lock's name of the state.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// State looks at the lock. Unlike flufl.lock's is_locked it does not refresh it;
// whether this process has it tells [filelock.Lock.Held].
//
// A lease counts as expired from its very end, and is broken when the slop is
// over besides. Of a claim of flufl.lock's Ours and Stale are guesses: a process
// of that number may live on another machine of the same name, or in another
// container. Ours say in which they were made.
func (l *Lock) State(ctx context.Context) (State, error) {
	s, err := l.backend.seen(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Unlocked, nil
	case err != nil:
		return Unknown, l.fail(err)
	case !s.known:
		return Unknown, nil
	}
	host, err := l.backend.host(ctx)
	if err != nil {
		return Unknown, l.fail(err)
	}
	expired, far := s.ended(l.backend.now()), s.details.far()
	switch {
	case s.details.Host != host:
		return Unknown, nil
	case !far && s.details.PID == os.Getpid() && expired:
		return OursExpired, nil
	case !far && s.details.PID == os.Getpid():
		return Ours, nil
	case !far && isDead(s.details.PID):
		return Stale, nil
	case expired:
		return TheirsExpired, nil
	}
	return Unknown, nil
}

func isDead(pid int) bool { return procid.ID{PID: pid, Space: procid.Unstated}.Dead() }

// Details returns what the lock file says of its holder. It fails with
// [filelock.ErrNotHeld] if there is none, or one that says nothing.
func (l *Lock) Details(ctx context.Context) (Details, error) {
	s, err := l.backend.seen(ctx)
	if err == nil && !s.known {
		err = errors.Join(filelock.ErrNotHeld, s.unreadable)
	}
	if err != nil {
		return Details{}, l.fail(notHeld(err))
	}
	return s.details, nil
}

// Expiration returns when the lease of whoever has the lock ends, or has ended.
// It fails with [filelock.ErrNotHeld] if nobody has it.
func (l *Lock) Expiration(ctx context.Context) (time.Time, error) {
	s, err := l.backend.seen(ctx)
	if err != nil {
		return time.Time{}, l.fail(notHeld(err))
	}
	return s.ends(), nil
}

func notHeld(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return filelock.ErrNotHeld
	}
	return err
}

func (l *Lock) fail(err error) error {
	return &filelock.LockError{Op: "inspect", Path: l.Path(), Err: err}
}

// A sight is what was seen of a lock file.
type sight struct {
	path       string // from the root
	evidence   mark.Evidence
	unreadable error
	details    Details
	once       bool // no other hold has these details
	known      bool // it has details
}

// look fails with [fs.ErrNotExist] if there is no lock file at path.
func (b *backend) look(path string) (sight, error) {
	e, err := mark.Look(path, maxClaim)
	s := sight{path: path, evidence: e}
	if errors.Is(err, mark.ErrUnreadable) {
		s.unreadable = err
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.details, s.once, s.known = parseClaim(string(e.Content), b.config.Separator)
	return s, nil
}

// passes reports whether err is one on which the lock file is read again.
func (b *backend) passes(err error) bool {
	return slices.ContainsFunc(b.config.RetryErrors, func(passing error) bool { return errors.Is(err, passing) })
}

// errPassing is what a look comes to that is to be repeated.
var errPassing = errors.New("not now")

// seen looks at the lock file until that succeeds or ctx ends.
func (b *backend) seen(ctx context.Context) (s sight, err error) {
	if b.misuse != nil {
		return s, b.misuse
	}
	path, err := address.Abs(b.path)
	if err != nil {
		return s, err
	}
	look := func() (s sight, err error) {
		if err = mark.Refresh(path); err == nil {
			s, err = b.look(path)
		}
		return s, err
	}
	if s, err = look(); err == nil || !b.passes(err) {
		return s, err
	}
	var latest error
	errWait := wait.New("", 0, 0, nil).Persevere(ctx, errPassing, func() error {
		if s, latest = look(); latest != nil && b.passes(latest) {
			return errPassing
		}
		return latest
	})
	if errWait != nil && ctx.Err() != nil {
		return s, errors.Join(errWait, err)
	}
	return s, errWait
}

// ends returns when the lease ends.
func (s *sight) ends() time.Time { return time.Unix(0, s.evidence.Info.ModTime) }

func (s *sight) ended(now time.Time) bool { return !now.Before(s.ends()) }

// breakable reports whether whoever wants the lock may take it. What does not say
// whose it is may be anything.
func (s *sight) breakable(now time.Time, slop time.Duration) bool {
	return s.known && now.After(s.ends().Add(slop))
}

// remove takes the lock file away, and its claim, if they are still what was
// seen.
func (s *sight) remove() error {
	if err := remove(s.path, s.evidence); err != nil || !s.known {
		return err
	}
	// Only the last part of the claim's name, and only if it is the same file:
	// anybody can write any name into a lock file. If it stays it is in nobody's
	// way.
	if _, base := address.Split(s.details.Claim); base != "." && base != ".." {
		remove(address.Beside(s.path, base), s.evidence)
	}
	return nil
}

func remove(path string, e mark.Evidence) error {
	_, err := mark.Break(path, e)
	if errors.Is(err, sys.ErrNoLocks) {
		_, err = mark.BreakUnguarded(path, e)
	}
	return err
}

func (b *backend) Inspect(ctx context.Context) (filelock.State, error) {
	s, err := b.seen(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return filelock.State{}, nil
	}
	if err != nil {
		return filelock.State{}, err
	}
	host, err := b.host(ctx)
	if err != nil {
		return filelock.State{}, err
	}
	state := filelock.State{Held: true, Expires: s.ends(), Holders: []filelock.Holder{s.holder(host)}}
	return state.WithEvidence(s), nil
}

// holder says what is known of the holder on a machine of the given name.
func (s *sight) holder(here string) filelock.Holder {
	h := filelock.Holder{PID: s.details.PID, Host: procid.Printable(s.details.Host)}
	if s.details.Host != here || !s.known {
		return h
	}
	if name, err := os.Hostname(); err == nil {
		h.Host = name // as holders of other kinds are told
	}
	if !s.details.far() && !isDead(h.PID) {
		h.Command, h.Started = procid.Describe(h.PID)
	}
	return h
}

// Break removes the lock that was inspected. One of ours is known by its details
// alone: it may have been renewed since.
func (b *backend) Break(ctx context.Context, state filelock.State) error {
	s, ok := state.Evidence().(sight)
	if !ok {
		return invalid("the state is not from a lease's Inspect")
	}
	_, err := mark.Persist(ctx, func() (bool, error) {
		err := s.remove()
		for range attempts {
			if !errors.Is(err, mark.ErrChanged) || !s.once {
				break
			}
			now, errLook := b.look(s.path)
			if errLook != nil || now.details != s.details || now.evidence.Info.ID != s.evidence.Info.ID {
				break
			}
			s = now
			err = s.remove()
		}
		return false, err
	})
	if errors.Is(err, mark.ErrChanged) {
		return filelock.ErrLost
	}
	return err
}
