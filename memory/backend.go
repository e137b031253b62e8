package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/gofilelock/filelock"
)

// A lock is one name of a space. The queue begins with those who have the lock,
// and goes on with those who wait for it.
type lock struct {
	queue []*grant
	token uint64 // the highest one given
}

// admit gives the lock to the first in the queue and to those behind it who can
// share it. It is called after every change.
func (l *lock) admit() {
	for i, g := range l.queue {
		if i > 0 && !(g.shared && l.queue[0].shared) {
			return
		}
		if !g.held() {
			l.token++
			g.token, g.since = l.token, time.Now()
			close(g.got)
		}
	}
}

// remove takes g out of the queue, and reports whether it was there.
func (l *lock) remove(g *grant) bool {
	i := slices.Index(l.queue, g)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	l.admit()
	return true
}

// A backend is one name as a process sees it.
type backend struct {
	process *Process
	name    string
}

func (b *backend) Path() string { return b.name }

// on calls do with what the space knows of the name, under its mutex.
func (b *backend) on(do func(*lock)) { b.process.space.on(b.name, do) }

func (b *backend) ask(op string) error { return b.process.ask(op, b.name) }

// Key differs from one process to the next, so that they meet in the space and
// not in the queue that a process of the system has.
func (b *backend) Key(context.Context) (string, error) {
	return fmt.Sprintf("github.com/gofilelock/filelock/memory %p %s", b.process, b.name), b.check()
}

func (b *backend) check() error {
	if b.name == "" {
		return fmt.Errorf("%w: the lock has no name", fs.ErrInvalid)
	}
	return nil
}

func (b *backend) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if err := b.ask("acquire"); err != nil {
		return nil, err
	}
	g := &grant{at: b, shared: r.Shared, owner: r.Owner, got: make(chan struct{})}
	if !g.join(r.NoWait) {
		return nil, filelock.ErrLocked
	}
	select {
	case <-g.got:
		return g, nil
	case <-ctx.Done():
		g.leave()
		return nil, ctx.Err()
	}
}

func (b *backend) Inspect(context.Context) (s filelock.State, err error) {
	if err := errors.Join(b.check(), b.ask("inspect")); err != nil {
		return s, err
	}
	b.on(func(l *lock) {
		var seen []*grant
		for _, g := range l.queue {
			if g.held() {
				s.Held, s.Shared, s.Token = true, g.shared, g.token
				s.Holders = append(s.Holders, g.holder(b.process))
				seen = append(seen, g)
			}
		}
		s = s.WithEvidence(seen)
	})
	return s, nil
}

func (b *backend) Break(_ context.Context, s filelock.State) error {
	if err := b.ask("break"); err != nil {
		return err
	}
	seen, ok := s.Evidence().([]*grant)
	if !ok {
		return fmt.Errorf("%w: the state is not from this kind of lock", fs.ErrInvalid)
	}
	var broken []*grant
	b.on(func(l *lock) {
		for _, g := range seen {
			if l.remove(g) {
				broken = append(broken, g)
			}
		}
	})
	if len(broken) == 0 {
		return filelock.ErrLost
	}
	for _, g := range broken {
		g.tell()
	}
	return nil
}

// A grant is a place in the queue of a lock.
type grant struct {
	at     *backend
	shared bool
	owner  string
	got    chan struct{} // closed when it has the lock

	token uint64 // 0 until then
	since time.Time
	lost  func()
}

func (g *grant) held() bool { return g.token != 0 }

// join gets the lock, or a place in the queue unless that is not wanted.
func (g *grant) join(noWait bool) (joined bool) {
	g.at.on(func(l *lock) {
		l.queue = append(l.queue, g)
		l.admit()
		if joined = !noWait || g.held(); !joined {
			l.remove(g)
		}
	})
	return joined
}

// leave gives up the place in the queue, and with it the lock. It reports whether
// there was one.
func (g *grant) leave() (left bool) {
	g.at.on(func(l *lock) { left = l.remove(g) })
	return left
}

// holder describes g to a process.
func (g *grant) holder(to *Process) filelock.Holder {
	h := g.at.process.as
	if g.at.process == to {
		h = filelock.Holder{PID: os.Getpid()} // by which Lock knows its own, and says more of it
	}
	h.Owner, h.Since = g.owner, g.since
	return h
}

func (g *grant) Release(context.Context) error {
	if err := g.at.ask("release"); err != nil {
		return err
	}
	if !g.leave() {
		return filelock.ErrLost
	}
	return nil
}

// OnLoss has lost called when somebody breaks the hold, or has just done so.
func (g *grant) OnLoss(lost func()) {
	g.at.on(func(l *lock) {
		g.lost = lost
		if slices.Contains(l.queue, g) {
			lost = nil
		}
	})
	if lost != nil {
		lost()
	}
}

// tell tells the holder that the lock is lost, if it listens yet.
func (g *grant) tell() {
	var lost func()
	g.at.on(func(*lock) { lost = g.lost })
	if lost != nil {
		lost()
	}
}

func (g *grant) Token() uint64 { return g.token }
