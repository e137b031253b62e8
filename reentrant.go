package filelock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
)

// A Lock is a lock of any kind. It is safe for use by any number of
// goroutines, and needs no closing.
//
// Locks of one address in one process share one queue, however many Lock
// objects there are: an owner that has the lock through one of them nests
// through the others.
type Lock struct{ core }

// NewLock returns the lock that b supplies. It does nothing yet.
func NewLock(b Backend, opts ...Option) *Lock {
	set := defaults()
	for _, o := range opts {
		o.applyLock(&set)
	}
	l := &Lock{core{backend: b, set: set, misuse: set.check()}}
	if n, ok := b.(NamedBackend); ok {
		l.path = n.Path()
	}
	return l
}

// core is what locks of all kinds have in common. Kinds embed it, unexported
// so that their documentation shows its methods as their own.
type core struct {
	backend Backend
	path    string
	set     lockSettings
	misuse  error // options that make no sense: what every acquisition fails with
	latest  atomic.Pointer[queue]
}

// Path returns the path that the lock was made with.
func (l *core) Path() string { return l.path }

// Acquire gets the lock and returns a [Hold] of it, which the caller releases.
// It waits if somebody else has the lock, for as long as the context and the
// options allow.
//
// The hold belongs to the owner that ctx carries, or to one of its own, which
// [Hold.Context] carries: without a common owner a second Acquire waits, even
// on the same goroutine. If the owner has the lock already, the acquisition
// nests and returns at once; a shared one may nest in an exclusive one, but an
// exclusive one in a shared one fails with [ErrUpgrade]. The mode of the first
// hold stays until the last one ends, in whatever order they do.
//
// All errors are [*LockError]. One that matches [ErrLocked] says that somebody
// else has the lock: after a wait it matches [ErrTimeout] too, unless the
// caller wanted one attempt only. If ctx ends, the error matches the context's
// and its cause. [ErrDeadlock] says that the owner has the lock by another name
// of the file, or that it and other owners of this process wait for each other
// without a limit. After any error nothing is held, and nothing is left behind.
func (l *core) Acquire(ctx context.Context, opts ...AcquireOption) (*Hold, error) {
	return l.hold(ctx, l.settings(opts))
}

// TryAcquire is Acquire with one attempt, whatever the options: it fails with
// an error that matches [ErrLocked] if somebody else has the lock, or is ahead
// in the queue of this process. It waits for no more than the end of an attempt
// or a release that another goroutine has begun.
func (l *core) TryAcquire(ctx context.Context, opts ...AcquireOption) (*Hold, error) {
	set := l.settings(opts)
	set.nonBlocking = true
	return l.hold(ctx, set)
}

func (l *core) hold(ctx context.Context, set acquireSettings) (*Hold, error) {
	owner, carried := l.ownerOf(ctx)
	if t := l.nest(ctx, set.shared); t != nil {
		return &Hold{tenure: t, ctx: newHoldContext(ctx, carried, t, &ownerContext{})}, nil
	}
	p := &possession{}
	if owner == nil {
		owner = &p.owner
		owner.brief = true
		carried = owner
	}
	t, err := l.acquire(ctx, owner, set, &p.tenure)
	if err != nil {
		return nil, err
	}
	p.hold.tenure, p.hold.ctx = t, newHoldContext(ctx, carried, t, &p.context)
	return &p.hold, nil
}

// A possession is what comes with a lock, all in one allocation. Parts of it may
// remain unused.
type possession struct {
	hold    Hold
	tenure  tenure
	context ownerContext
	owner   Owner
}

// nest adds a hold to the tenure through l that ctx stands in, if there is one
// that permits it. It does what an acquisition would, and asks nobody.
func (l *core) nest(ctx context.Context, shared bool) *tenure {
	t := ownerContextOf(ctx).inside(func(t *tenure) bool { return t.lock == l && t.goesOn() })
	if t == nil || ctx.Err() != nil || t.permits(l, shared) != nil || !t.enter() {
		return nil
	}
	return t
}

// ownerOf returns whose an acquisition with ctx is, and which owner ctx
// carries. Either may be nil.
func (l *core) ownerOf(ctx context.Context) (owner, carried *Owner) {
	carried, _ = OwnerFrom(ctx)
	if l.set.sharedOwner {
		return everyone, carried
	}
	return carried, carried
}

func (l *core) settings(opts []AcquireOption) acquireSettings {
	if len(opts) == 0 {
		return l.set.acquireSettings
	}
	set := l.set.acquireSettings
	for _, o := range opts {
		o.applyAcquire(&set)
	}
	return set
}

// Held reports whether anybody in this process has the lock.
func (l *core) Held() (held bool) {
	l.onQueue(context.Background(), func(q *queue) { held = len(q.tenures) > 0 })
	return held
}

// Depth returns how many holds the owner that ctx carries has of the lock; the
// shared owner, if that is whose the lock is.
func (l *core) Depth(ctx context.Context) int {
	t, _ := l.ownTenure(ctx)
	if t == nil {
		return 0
	}
	return int(max(0, t.depth.Load()))
}

// ForceRelease ends all holds that the owner of ctx has of the lock, whose own
// Release fails with [ErrNotHeld] from then on. It fails with [ErrNotOwner] if
// somebody else has the lock, and with [ErrNotHeld] if nobody has. If the lock
// cannot be given back, those holds go on that have not been released
// meanwhile.
func (l *core) ForceRelease(ctx context.Context) error {
	t, err := l.ownTenure(ctx)
	if t == nil {
		return l.notOwn(ctx, "release", err)
	}
	return l.fail("release", t.leaveAll())
}

// notOwn says why the owner of ctx cannot do what it wants with the lock, of
// which it has no hold. An error other than nil is the reason.
func (l *core) notOwn(ctx context.Context, op string, err error) error {
	if err != nil {
		return l.fail(op, err)
	}
	e := &LockError{Op: op, Path: l.path, Err: ErrNotHeld}
	if h, ok := l.holder(ctx); ok {
		e.Err = ErrNotOwner
		e.holder = func() (Holder, bool) { return h, true }
	}
	return e
}

// ownTenure returns the tenure that ctx stands in, or that of its owner.
func (l *core) ownTenure(ctx context.Context) (t *tenure, err error) {
	c := ownerContextOf(ctx)
	if t = c.inside(func(t *tenure) bool { return t.lock == l && t.depth.Load() != 0 }); t != nil {
		return t, nil
	}
	owner, _ := l.ownerOf(ctx)
	err = l.onQueue(ctx, func(q *queue) { t = q.ownTenure(c, owner) })
	return t, err
}

// onQueue calls do with the lock's queue, under its mutex, if there is one. If
// the lock's key cannot be told any more, because its file has been closed or
// its directory has gone, that is the queue in which the lock was last taken.
func (l *core) onQueue(ctx context.Context, do func(*queue)) error {
	latest := l.latest.Load()
	key, err := l.backend.Key(context.WithoutCancel(ctx))
	if err != nil && latest == nil {
		return err
	}
	if err != nil {
		key = latest.key
	}
	if q := existingQueue(key); q != nil {
		defer q.drop()
		if err != nil && q != latest {
			return err // another lock has that key by now
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		do(q)
	}
	return nil
}

// Inspect tells who holds the lock, in this process or another, and disturbs
// nobody. What it returns is past the moment it returns. It fails with
// [ErrUnsupported] where the system does not tell.
//
// # Linux
//
// Who holds an OS lock is read from /proc. Holders in other containers, and on
// other machines that share the file system, are not seen.
func (l *core) Inspect(ctx context.Context) (State, error) {
	if l.misuse != nil {
		return State{}, l.fail("inspect", l.misuse)
	}
	s, err := l.backend.Inspect(ctx)
	own := slices.DeleteFunc(l.ownHolders(ctx), func(t *tenure) bool { return t.loss.err() != nil })
	if len(own) == 0 || err != nil && !errors.Is(err, ErrUnsupported) {
		return s, l.fail("inspect", err)
	}
	if err == nil && !s.Held {
		s.evidence = vanished{}
	}
	// Of itself this process knows more than the system does.
	others := slices.DeleteFunc(s.Holders, Holder.isThisProcess)
	s.Held, s.Shared, s.Holders = true, own[0].shared, nil
	for _, t := range own {
		s.Holders = append(s.Holders, t.holder())
	}
	s.Holders = append(s.Holders, others...)
	return s, nil
}

// vanished is the evidence of a hold of this process that is not to be seen: it
// has been taken away and is not known to be lost yet, or has just begun.
type vanished struct{}

// ownHolders returns the tenures of this process.
func (l *core) ownHolders(ctx context.Context) (all []*tenure) {
	l.onQueue(ctx, func(q *queue) { all = slices.Clone(q.tenures) })
	return all
}

// Break ends the hold that s was inspected of, whoever's it is, so that others
// can have the lock. It fails with [ErrLost] if that hold has ended meanwhile
// and somebody else may have the lock: whatever happens, no other hold is ended.
// It returns nil if s was not held.
//
// Locks of the operating system cannot be broken: Break fails with
// [ErrUnsupported], and its error says which process would have to end.
func (l *core) Break(ctx context.Context, s State) error {
	if !s.Held {
		return nil
	}
	err := l.backend.Break(ctx, s)
	if _, gone := s.evidence.(vanished); gone && errors.Is(err, fs.ErrInvalid) {
		err = ErrLost
	}
	if err == nil {
		l.log(ctx, "broken")
	}
	return l.fail("break", err)
}

// ReleaseAll ends all holds of this process, of all locks, for a handler that
// is about to call os.Exit: markers of soft locks would be left behind. It also
// waits for releases that others have begun. Goroutines that wait for a lock get
// it then, so end them before, by their contexts.
//
// On a file system that hangs it does not return, but has given back what is
// elsewhere all the same.
func ReleaseAll() error {
	queues := allQueues()
	errs := make([]error, len(queues))
	var all sync.WaitGroup
	some := make(chan struct{}, mostReleases)
	for i, q := range queues {
		some <- struct{}{}
		all.Go(func() {
			errs[i] = q.releaseAll()
			<-some
		})
	}
	all.Wait()
	closeKept()
	return errors.Join(errs...)
}

// mostReleases is how many locks are given back at once: each takes a thread.
const mostReleases = 64

// lookupTime limits how long it may take to find out who has a lock.
const lookupTime = 2 * time.Second

// holder finds out who has the lock, even if ctx has ended.
func (l *core) holder(ctx context.Context) (Holder, bool) {
	if own := l.ownHolders(ctx); len(own) > 0 {
		return own[0].holder(), true
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
	defer cancel()
	s, _ := l.backend.Inspect(ctx)
	if len(s.Holders) == 0 {
		return Holder{}, false
	}
	return s.Holders[0], true
}

// holder describes t to others.
func (t *tenure) holder() Holder {
	h := thisProcess()
	h.Owner, h.Since = t.owner.name, time.Unix(0, t.since)
	return h
}

// thisProcess describes this process to others.
func thisProcess() Holder {
	h := Holder{PID: os.Getpid(), Host: hostname(), self: true}
	h.Command, h.Started = procid.DescribeSelf()
	return h
}

func (h Holder) isThisProcess() bool {
	return h.self || h.PID == os.Getpid() && (h.Host == "" || h.Host == hostname())
}

// fail makes the error that callers see; nil stays nil.
func (l *core) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &LockError{Op: op, Path: l.path, Err: err}
}

// logger returns where the lock's doings are logged.
func (l *core) logger() *slog.Logger {
	logger := l.set.logger
	if logger == nil {
		logger = slog.Default().With("logger", "filelock")
	}
	return logger.With("path", l.path)
}

// log writes a line at debug level. Nothing is allocated where nobody reads it.
func (l *core) log(ctx context.Context, msg string) {
	if l.logs(ctx) {
		l.logger().DebugContext(ctx, msg)
	}
}

func (l *core) logs(ctx context.Context) bool {
	logger := l.set.logger
	if logger == nil {
		logger = slog.Default()
	}
	return logger.Enabled(ctx, slog.LevelDebug)
}
