// Package lease has the lock of flufl.lock, a lease: it is held until it is given
// back or its lifetime is over, whatever becomes of its holder. It needs nothing
// of the system but hard links, so it works between machines that share a file
// system, and excludes, and is excluded by, flufl.lock.
//
// # While it is held
//
// Unless [Config] says otherwise the lease is renewed for as long as its hold
// lasts, whenever a third of the lifetime is over. If that fails, nine tenths of
// the lifetime are counted on, from before the last renewal that succeeded, by
// the wall clock and by one that goes on when the machine is suspended. Then the
// hold is lost: its context is cancelled with a cause that matches
// [filelock.ErrLost], before anybody else can have the lock. Whoever wakes up
// after that time, from a stop or from suspend, is told at once. In no case is
// the holder's work undone: whatever must not happen after a loss has to heed
// the context, and a resource that must not be written to by two needs a [Fence].
//
// Without renewal it is as with flufl.lock: others can have the lock when its
// time is over, the holder learns that within a second, and Release and Refresh
// succeed as long as nobody else has taken it.
//
// # Clocks
//
// A lease ends at a time that is written into the file system, and is broken by
// whoever wants the lock when it has ended and the slop is over besides. So that
// machines of which one is fast or slow agree, that is the later of the time of
// the holder's clock and of the file system's plus the lifetime; and the lease
// has ended only if it has by the clock of the one who breaks it and by the file
// system's. A machine whose clock differs from the file system's by more than
// the slop gets no lock: see [ErrSkew].
//
// # What is not promised
//
// A holder that is stopped for longer than its lease still runs on for the
// instant until it is told; and for a third of the lifetime, until it wants to
// renew, if its clocks stood still as well, as those of a virtual machine that
// was paused do until they are set. A wall clock that is set forward while a lease is
// held ends it early for those who judge it by that clock, and the holder is
// told after that, not before. flufl.lock looks at its own clock alone, breaks by
// path, and may remove a successor's lock if it is stopped just then; ours never
// removes another lock than the one that has ended, where the file system has
// flock(2). Where it has none, as NFS may not, the last look at the lock and its
// removal follow each other at once, but somebody else who breaks it in between,
// and takes it, loses it. The file systems of some clients show names and times
// that are seconds old: the slop has to cover that too. Suspend is counted on
// Linux, macOS and Windows; elsewhere the wall clock alone tells of it.
//
// Whoever has flock(2) on the lock file keeps it from being broken: somebody with
// permission to read it who means to, and a holder or a breaker that is stopped
// just at it, until it goes on or is killed.
//
// Besides the lock file there is a claim, a file with a longer name. It stays
// behind if the process is killed, until its lock is broken; and for ever if that
// happens before it has the lock, or just after it has given it back, or if whoever
// breaks the lock fails just then.
//
// # AIX, Plan 9 and WebAssembly
//
// There are no leases: acquisitions fail with [errors.ErrUnsupported].
package lease

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofilelock/filelock"
)

// DefaultLifetime and DefaultSlop are flufl.lock's.
const (
	DefaultLifetime = 15 * time.Second
	DefaultSlop     = 10 * time.Second
)

// ErrSkew says that the clocks of this machine and of the file system differ by
// more than the slop, so that nobody could tell when a lease ends.
var ErrSkew = errors.New("the clocks of this machine and of the file system differ by more than the slop")

// Config is how a lease is used. The zero Config does what flufl.lock does
// unless it is told otherwise, and renews.
type Config struct {
	// Lifetime is how long the lease lasts from each time that it is acquired
	// or renewed: [DefaultLifetime] if it is 0, and from a second to five years.
	// The end is written in whole seconds, rounded up.
	Lifetime time.Duration

	// NoRenewal leaves it to the holder to call [Lock.Refresh] in time. Other
	// goroutines of its own process wait until it releases the lock, however
	// long ago the lease has ended.
	NoRenewal bool

	// Slop is how much clocks may differ, and for how long a lease is left
	// alone that has ended: [DefaultSlop] if it is 0. It should be the same for
	// all who use the lock.
	Slop time.Duration

	// Host is what this machine is called in claims: if it is empty, by its
	// fully qualified name, as Python's socket.getfqdn tells it.
	Host string

	// Separator stands between the parts of a claim's name, and is the same for
	// all who use the lock: '|' if it is 0, and '^' on Windows. It is neither a
	// letter nor a digit, and occurs neither in the host's name nor in the path.
	Separator rune

	// Fencing gives each hold a token, a number that is higher than that of all
	// holds before: see [filelock.Hold.Token] and [Fence]. The latest is kept in
	// a file beside the lock, whose name ends in ".token", which must not be
	// removed, and which all who use the lock have to be able to write to. It is
	// refused if it has other names.
	// flufl.lock's holds have none. It needs a file system with flock(2); on
	// others acquisitions fail with [filelock.ErrUnsupported].
	Fencing bool

	// RetryErrors are errors on which the lock file is read again, as
	// [syscall.ESTALE] and others of NFS: a wait goes on, a single attempt is
	// refused, and whoever asks gets the answer when there is one.
	RetryErrors []error
}

// A Lock is the lease of one lock file, flufl.lock's Lock. What is not described
// here, Do, Acquire and TryAcquire among it, is as with any [filelock.Lock].
//
// flufl.lock's is_locked is [filelock.Lock.Held], which refreshes nothing.
type Lock struct {
	*filelock.Lock
	backend *backend
}

// New returns the lease whose lock file is at path. It does nothing yet: what
// makes no sense is reported by the first acquisition. A relative path is
// resolved by each acquisition of its own, and stands as it is in the lock file.
//
// flufl.lock's default_timeout is [filelock.WithTimeout], and its
// AlreadyLockedError what [filelock.WithoutNesting] makes of a second
// acquisition.
func New(path string, c Config, opts ...filelock.Option) *Lock {
	b := newBackend(path, c)
	return &Lock{filelock.NewLock(b, opts...), b}
}

// Lifetime returns how long the lease will last from the next acquisition or
// refresh.
func (l *Lock) Lifetime() time.Duration { return time.Duration(l.backend.lifetime.Load()) }

// SetLifetime sets how long the lease lasts from the next acquisition or refresh
// on. A hold keeps its own until then. One that makes no sense is reported there.
func (l *Lock) SetLifetime(d time.Duration) { l.backend.lifetime.Store(int64(d)) }

// Refresh has the lease of the hold that the owner of ctx has last for the
// lifetime from now. If d is not 0 it is the lifetime from now on, also of later
// holds through l. One that makes no sense matches [fs.ErrInvalid], and changes
// nothing.
//
// It fails with [filelock.ErrNotHeld] if nobody has the lock, with
// [filelock.ErrNotOwner] if somebody else has, and with [filelock.ErrLost] if the
// hold has been lost. After any other error the hold goes on, for its time.
func (l *Lock) Refresh(ctx context.Context, d time.Duration) error {
	lifetime := d
	if d == 0 {
		lifetime = l.Lifetime()
	}
	if err := checkLifetime(lifetime); err != nil {
		return &filelock.LockError{Op: "renew", Path: l.Path(), Err: err}
	}
	if d != 0 {
		l.SetLifetime(d)
	}
	return l.Renew(ctx, lifetime)
}

// RefreshIfHeld is Refresh, but nothing is wrong if the owner of ctx does not
// have the lock, or no longer: flufl.lock's refresh(unconditionally=True).
func (l *Lock) RefreshIfHeld(ctx context.Context, d time.Duration) error {
	return unlessNotHeld(l.Refresh(ctx, d))
}

// ReleaseIfHeld ends all holds of the owner of ctx, but nothing is wrong if there
// are none, or no longer: flufl.lock's unlock(unconditionally=True).
func (l *Lock) ReleaseIfHeld(ctx context.Context) error {
	return unlessNotHeld(l.ForceRelease(ctx))
}

func unlessNotHeld(err error) error {
	for _, none := range []error{filelock.ErrNotHeld, filelock.ErrNotOwner, filelock.ErrLost} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return err
}

// Host returns what this machine is called in claims. It may have to ask the
// network, once, and for two seconds at most.
func (l *Lock) Host(ctx context.Context) (string, error) { return l.backend.host(ctx) }

// String tells the path, the state, the lifetime and the process.
func (l *Lock) String() string {
	state := "unreadable"
	if s, err := l.State(context.Background()); err == nil {
		state = s.String()
	}
	return fmt.Sprintf("lease %s (%s, lifetime %s, pid %d)", l.Path(), state, l.Lifetime(), os.Getpid())
}
