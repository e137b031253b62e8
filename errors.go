package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// The kinds of errors, to be told apart with [errors.Is]. Those of the system
// keep their own kind beside these: [fs.ErrPermission] and [fs.ErrNotExist]
// for a lock file that cannot be opened or created, [context.Canceled] and
// [context.DeadlineExceeded] for a wait that the context ended. What makes no
// sense (an empty path, a FIFO in the place of the lock file, options that
// contradict each other) matches [fs.ErrInvalid].
var (
	// ErrLocked says that somebody else holds the lock; or, of a lock made
	// [WithoutNesting], that the owner itself does.
	ErrLocked = errors.New("locked")

	// ErrTimeout says that somebody else held the lock for as long as the
	// caller was ready to wait. It also matches ErrLocked.
	ErrTimeout error = kind{"timed out", ErrLocked}

	// ErrNotHeld says that there is nothing to release: the hold has ended.
	ErrNotHeld = errors.New("not held")

	// ErrNotOwner says that the lock is held, but not by this owner.
	ErrNotOwner = errors.New("held by another owner")

	// ErrUpgrade says that an owner of a shared hold asked for an exclusive
	// one. No system does that in one step: release the shared one first.
	ErrUpgrade = errors.New("a shared hold cannot become exclusive (release it first)")

	// ErrDeadlock says that the wait would be for itself: for a hold of the
	// owner's own, or for other owners of this process who wait without a limit
	// for what this one has. An owner that has a lock by Acquire counts as
	// waiting with all of its goroutines, of which another could release it; of
	// a Do, only what runs under it counts.
	ErrDeadlock = errors.New("the wait would never end")

	// ErrLost says that the hold was taken away: its marker was removed, its
	// lease ran out. Somebody else may hold the lock.
	ErrLost = errors.New("the lock was lost")

	// ErrUnsupported says that this system, file system or kind of lock cannot
	// do what was asked for. It also matches [errors.ErrUnsupported].
	ErrUnsupported error = kind{"not supported", errors.ErrUnsupported}
)

// A kind of error that is also one of another kind.
type kind struct {
	text string
	also error
}

func (k kind) Error() string { return k.text }
func (k kind) Unwrap() error { return k.also }

// A LockError is what the methods of locks and holds fail with.
type LockError struct {
	Op     string        // acquire, release, renew, inspect or break
	Path   string        // the lock's
	Waited time.Duration // how long, before giving up
	Err    error

	holder func() (Holder, bool) // nil where nobody is in the way
}

// Error names the lock, what happened, and where it can be known the holder.
func (e *LockError) Error() string {
	if e.holder == nil {
		return fmt.Sprintf("%s: %s: %v", e.Path, e.Op, e.Err)
	}
	var b strings.Builder
	b.WriteString(e.Path)
	switch {
	case errors.Is(e.Err, ErrTimeout):
		fmt.Fprintf(&b, ": still locked after %s", rounded(e.Waited))
	case errors.Is(e.Err, ErrLocked):
		fmt.Fprintf(&b, ": %v", e.Err)
	case errors.Is(e.Err, ErrDeadlock):
		fmt.Fprintf(&b, ": %v, locked", e.Err)
	case errors.Is(e.Err, ErrNotOwner):
		fmt.Fprintf(&b, ": %v, locked", e.Err)
	default:
		fmt.Fprintf(&b, ": %v after %s, locked", e.Err, rounded(e.Waited))
	}
	if h, ok := e.Holder(); ok {
		b.WriteString(" by ")
		b.WriteString(h.String())
	}
	return b.String()
}

func rounded(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// Unwrap returns e.Err.
func (e *LockError) Unwrap() error { return e.Err }

// Timeout reports whether a wait ran out, in the manner of package net.
func (e *LockError) Timeout() bool {
	return errors.Is(e.Err, ErrTimeout) || errors.Is(e.Err, context.DeadlineExceeded)
}

// Holder returns who was in the way, where that can be known; a shared lock's
// first holder. After a wait it is who held the lock when the wait ended.
// After a single attempt it is looked up by the first call of Holder or Error,
// since that can cost more than the attempt, and may by then be somebody else.
func (e *LockError) Holder() (Holder, bool) {
	if e.holder == nil {
		return Holder{}, false
	}
	return e.holder()
}

// A Holder is a process that holds a lock. The zero value of a field stands
// for what is not known.
type Holder struct {
	PID     int
	Host    string
	Command string    // its command line; any process can choose its own
	Owner   string    // the name of the owner within it
	Since   time.Time // when the hold began
	Started time.Time // when the process began

	self bool   // this process
	note string // what else there is to say, and to do
}

// String describes h in words that fit after "locked by".
func (h Holder) String() string {
	var b strings.Builder
	switch {
	case h.self:
		fmt.Fprintf(&b, "this very process (pid %d", h.PID)
		if h.Owner != "" {
			fmt.Fprintf(&b, ", owner %s", h.Owner)
		}
		b.WriteByte(')')
	case h.PID == 0:
		b.WriteString("an unknown holder")
	default:
		fmt.Fprintf(&b, "pid %d", h.PID)
		if h.Command != "" {
			fmt.Fprintf(&b, " (%s)", h.Command)
		}
	}
	if h.Host != "" && h.Host != hostname() {
		fmt.Fprintf(&b, " on %s", h.Host)
	}
	if !h.Started.IsZero() && !h.self {
		fmt.Fprintf(&b, ", started %s", clock(h.Started))
	}
	if !h.Since.IsZero() {
		fmt.Fprintf(&b, ", held since %s", clock(h.Since))
	}
	if h.note != "" {
		fmt.Fprintf(&b, " (%s)", h.note)
	}
	return b.String()
}

// clock formats a time of today without its date.
func clock(t time.Time) string {
	t, now := t.Local(), time.Now()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// hostname returns the host's name, or nothing.
func hostname() string {
	name, _ := os.Hostname()
	return name
}

// invalid makes an error for what makes no sense.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", fs.ErrInvalid, fmt.Sprintf(format, args...))
}
