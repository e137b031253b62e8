package filelock

import (
	"context"
	"os"
	"time"
)

// A Backend supplies one kind of physical lock at one address. Owners, nesting,
// queueing, timeouts, errors and the rest are [Lock]'s, so a Backend is only
// asked for what it alone can do, and is never asked for a hold that this
// process has already or is waiting for.
//
// Its methods are called by several goroutines at once, though Acquire by one
// at a time for one key. A Backend may also be a [NamedBackend], a
// [PreparingBackend] and an [IdentifyingBackend].
type Backend interface {
	// Key returns the identity of the address, the same for all spellings of
	// it: locks of one key exclude each other within the process. It begins
	// with a name of the kind that no other package uses, such as the import
	// path of its own, so that kinds that do not exclude each other differ.
	Key(ctx context.Context) (string, error)

	// Acquire gets the lock, or fails and leaves nothing behind.
	//
	// With r.NoWait it tries once, and fails with an error that matches
	// [ErrLocked] if somebody else has the lock. Otherwise it waits, and
	// returns the context's error soon after ctx ends; a grant that arrives
	// later it gives back by itself. Any other error ends the wait.
	Acquire(ctx context.Context, r Request) (Grant, error)

	// Inspect tells who holds the lock and changes nothing. It fails with an
	// error that matches [ErrUnsupported] where that cannot be told.
	Inspect(ctx context.Context) (State, error)

	// Break ends the hold that s was inspected of, whoever's it is, and fails
	// with [ErrLost] if it has ended or another has taken its place, and with
	// [ErrUnsupported] if only its holder can end it.
	Break(ctx context.Context, s State) error
}

// A Request says how a lock is wanted.
type Request struct {
	Key          string        // what Key has returned
	Shared       bool          // with others who want it shared
	NoWait       bool          // try once
	PollInterval time.Duration // the longest pause between two tries where there are no events; 0: the kind's own
	Owner        string        // the name of the owner, for a record
}

// A NamedBackend has a path, by which errors name its locks.
type NamedBackend interface{ Path() string }

// A PreparingBackend can make what its Key needs and has not found. It is asked
// to when Key fails with an error that matches [fs.ErrNotExist] during an
// acquisition.
type PreparingBackend interface {
	Prepare(ctx context.Context) error
}

// An IdentifyingBackend can tell what is at its address now. Two addresses with
// equal values, which are comparable, are one lock under two names.
type IdentifyingBackend interface {
	Identify(ctx context.Context) (any, error)
}

// A Grant is a physical lock that this process has. It may also be a
// [LosableGrant], a [LeasedGrant], a [FencedGrant], a [FileGrant], an
// [IdentifiedGrant], a [HandedGrant] and an [AbandonableGrant]. Release is called
// by one goroutine at a time, and the methods of those by any, during a Release
// too, unless they say otherwise.
type Grant interface {
	// Release gives the lock back within a bounded time, ten seconds at most,
	// by which others may be kept waiting. ctx never ends. If Release fails the
	// lock is still held and Release can be called again, unless the error
	// matches [ErrLost] or [ErrNotHeld] or was made by [Released].
	Release(ctx context.Context) error
}

// A LosableGrant can be taken away from its holder.
type LosableGrant interface {
	// OnLoss has lost called, at most once, when the lock is found to be lost
	// before it is released. It is called before any other method.
	OnLoss(lost func())
}

// A LeasedGrant ends by itself unless it is renewed in time, which [Lock] sees
// to: once before the acquisition returns, which goes on if the lock is lost by
// then and fails if anything else is wrong, and then whenever a third of the lifetime is over; after a failure, more often. What is
// counted on is nine tenths of the lifetime, from the moment at which the last
// renewal that succeeded was asked for, by the wall clock and by one that goes on
// when the machine is suspended. If that time runs out the hold is lost, and
// those who work under it are told. The rest is for clocks that differ in speed,
// and for them to heed it.
type LeasedGrant interface {
	// Renew has the lease end no sooner than the lifetime after its call, and
	// returns that lifetime: the one given or, if that is 0, the one of the last
	// renewal or of the grant's own choice. If it returns 0, the grant is neither
	// renewed nor ended by [Lock].
	//
	// It fails with an error that matches [ErrLost] if somebody else has or had
	// the lock, and with one that matches [fs.ErrInvalid], having done nothing,
	// if there is no such lifetime; after any other error it is tried again. It
	// returns soon after ctx ends. It is called by one goroutine at a time, and
	// never during a Release.
	Renew(ctx context.Context, lifetime time.Duration) (time.Duration, error)
}

// A FencedGrant has a number that rises with every grant of the lock.
type FencedGrant interface{ Token() uint64 }

// A FileGrant is a lock on an open file, of which it returns a duplicate.
type FileGrant interface {
	File() (*os.File, error)
}

// An IdentifiedGrant knows what it has locked, by a value as from
// [IdentifyingBackend].
type IdentifiedGrant interface{ Identity() any }

// A HandedGrant can pass from one owner of this process to the next without
// being given back, for as long as that is fair to those outside.
type HandedGrant interface {
	// HandOver reports whether the grant is now as good as one that to.Acquire
	// would get for r, which wants it in the same mode. If not, it is released.
	// It is called by one goroutine at a time, and never during a Release.
	HandOver(to Backend, r Request) bool
}

// An AbandonableGrant has a last resort for a Release that failed and that
// nobody will call again. Without it Release is tried again ahead of the next
// acquisition.
type AbandonableGrant interface{ Abandon() error }

// Released returns an error for a [Grant]'s Release to say that the lock has
// been given back, but that err happened on the way.
func Released(err error) error {
	if err == nil {
		return nil
	}
	return &released{err}
}

type released struct{ err error }

func (r *released) Error() string { return r.err.Error() }
func (r *released) Unwrap() error { return r.err }

// State is what [Lock.Inspect] has seen. It is a memory, not a promise: the
// lock may have changed hands since.
type State struct {
	Held    bool
	Shared  bool
	Stale   bool      // held by somebody who is certainly dead
	Holders []Holder  // empty if nobody, or nobody that is known
	Expires time.Time // zero where holds do not expire
	Token   uint64    // fencing token; 0 where there is none

	evidence any
}

// WithEvidence returns s with what a [Backend] needs to recognise this very
// hold when it is asked to break it.
func (s State) WithEvidence(e any) State {
	s.evidence = e
	return s
}

// Evidence returns what [State.WithEvidence] was given.
func (s State) Evidence() any { return s.evidence }
