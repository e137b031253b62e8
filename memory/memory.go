// Package memory has locks that exist in memory only, for tests of code that
// takes locks. They need no files, start no goroutines, and tell the time by
// package time alone, so they work inside of [testing/synctest].
//
// For code that only wants a lock there is [New]. To test what happens when
// others have it, make a [Space] and several processes that meet there:
//
//	var space memory.Space
//	here := space.Process(filelock.Holder{})
//	there := space.Process(filelock.Holder{PID: 4242, Command: "backup --full"})
//
// A hold that there.Lock("x") gives is one of another process to here.Lock("x"),
// which waits for it, names its holder in errors, and sees it in
// [filelock.Lock.Inspect]. [filelock.Lock.Break] takes it away from its holder,
// who is told so. [Process.Intercept] makes operations fail, or take their time.
//
// In a bubble of synctest, make the space in there too: its locks are waited for
// with channels, which belong to the bubble.
package memory

import (
	"sync"

	"github.com/gofilelock/filelock"
)

// New returns a lock in a space of its own, which nobody else can have.
func New(name string, opts ...filelock.Option) *filelock.Lock {
	return new(Space).Process(filelock.Holder{}).Lock(name, opts...)
}

// A Space is a world of locks with names. Locks of one name exclude each other
// in one space, and have nothing to do with those of another. The zero value has
// none yet.
type Space struct {
	mu    sync.Mutex // guards all that is in the space, and is never held during a wait
	names map[string]*lock
}

// on calls do with what there is to know of a name, under the mutex.
func (s *Space) on(name string, do func(*lock)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]*lock{}
	}
	l := s.names[name]
	if l == nil {
		l = &lock{}
		s.names[name] = l
	}
	do(l)
}

// A Process stands for a process in a [Space]. What its locks hold excludes the
// other processes, and within it owners nest and wait in line as ever.
type Process struct {
	space     *Space
	as        filelock.Holder
	intercept func(op, name string) error
}

// Process adds a process to the space. To the others its holds are those of h,
// of which Owner and Since are each hold's own; all of h may be left out.
func (s *Space) Process(h filelock.Holder) *Process {
	return &Process{space: s, as: h}
}

// Lock returns the lock of a name, which is also its Path. Locks can be shared,
// broken and lost, and have fencing tokens, from 1 on for each name. Whoever
// waits gets them in the order of their coming, whichever process they are of;
// one who only tries is refused as long as somebody waits.
//
// An empty name makes no sense, as the first acquisition says.
func (p *Process) Lock(name string, opts ...filelock.Option) *filelock.Lock {
	return filelock.NewLock(&backend{p, name}, opts...)
}

// Intercept has f called ahead of everything that p asks of the space, with the
// operation as in [filelock.LockError] and the name of the lock. Where f returns
// an error, the operation does not take place and fails with it. f may wait, and
// use other locks. A nil f undoes that.
//
// Nested acquisitions ask nothing. One that finds the lock taken and waits for
// it asks twice, since it only tries at first. A hold is not lost because f says
// so of its release: break it.
func (p *Process) Intercept(f func(op, name string) error) {
	p.space.mu.Lock()
	defer p.space.mu.Unlock()
	p.intercept = f
}

// ask calls the function given to Intercept, not under the space's mutex.
func (p *Process) ask(op, name string) error {
	p.space.mu.Lock()
	f := p.intercept
	p.space.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op, name)
}
