package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/gofilelock/filelock"
)

// A locker takes one lock and gives it back, again and again. It costs next to
// nothing of its own.
type locker interface {
	acquire(ctx context.Context) error
	release() error
}

// A kind is a way of locking that Go programs have.
type kind struct {
	name string
	open func(path string) (locker, error)
}

// The kinds that have a part of their own.
const (
	fileLock     = "FileLock"
	softFileLock = "SoftFileLock"
	gofrsTry     = "gofrs TryLock"
	gofrsNew     = "gofrs New, TryLock"
	gofrsLock    = "gofrs Lock"
	gofrsPoll1   = "gofrs TryLockContext(1 ms)"
	gofrsPoll10  = "gofrs TryLockContext(10 ms)"
	keptFlock    = "go-filemutex" // keeps the file open
	exclusive    = "O_EXCL create, write, unlink"
)

// kinds are all of them.
var kinds = append([]kind{
	ownKind(fileLock, func(path string) filelock.Locker { return filelock.New(path) }),
	ownKind("FileLock WithContent", func(path string) filelock.Locker {
		return filelock.New(path, filelock.WithContent("{pid} {hostname}\n"))
	}),
	ownKind("FileLock Shared", func(path string) filelock.Locker { return filelock.New(path, filelock.Shared()) }),
	ownKind("FileLock WithRecordLocks", func(path string) filelock.Locker {
		return filelock.New(path, filelock.WithRecordLocks())
	}),
	ownKind(softFileLock, func(path string) filelock.Locker { return filelock.NewSoft(path) }),
	{"FileLock, new each time", func(path string) (locker, error) { return &newOwn{path: path}, nil }},
	{"FileLock.Do", func(path string) (locker, error) { return &ownDo{lock: filelock.New(path)}, nil }},
	gofrsKind(gofrsTry, func(_ context.Context, l *flock.Flock) (bool, error) { return l.TryLock() }),
	gofrsKind(gofrsLock, func(_ context.Context, l *flock.Flock) (bool, error) { return true, l.Lock() }),
	gofrsKind("gofrs RLock", func(_ context.Context, l *flock.Flock) (bool, error) { return true, l.RLock() }),
	gofrsKind(gofrsPoll1, func(ctx context.Context, l *flock.Flock) (bool, error) {
		return l.TryLockContext(ctx, time.Millisecond)
	}),
	gofrsKind(gofrsPoll10, func(ctx context.Context, l *flock.Flock) (bool, error) {
		return l.TryLockContext(ctx, 10*time.Millisecond)
	}),
	{gofrsNew, func(path string) (locker, error) { return &newGofrs{path: path}, nil }},
	{"lockedfile", func(path string) (locker, error) { return &lockedFile{mutex: lockedfile.MutexAt(path)}, nil }},
}, systemKinds()...)

func kindNamed(name string) kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		panic(fmt.Sprintf("there is no kind %q", name))
	}
	return kinds[i]
}

var errTaken = errors.New("somebody else has the lock")

type own struct {
	lock filelock.Locker
	hold *filelock.Hold
}

func ownKind(name string, make func(path string) filelock.Locker) kind {
	return kind{name, func(path string) (locker, error) { return &own{lock: make(path)}, nil }}
}

func (o *own) acquire(ctx context.Context) (err error) {
	o.hold, err = o.lock.Acquire(ctx)
	return err
}

func (o *own) release() error { return o.hold.Release() }

// newOwn is own with a new lock each time.
type newOwn struct {
	path string
	hold *filelock.Hold
}

func (o *newOwn) acquire(ctx context.Context) (err error) {
	o.hold, err = filelock.New(o.path).Acquire(ctx)
	return err
}

func (o *newOwn) release() error { return o.hold.Release() }

// ownDo takes the lock and gives it back in one.
type ownDo struct{ lock *filelock.FileLock }

func (o *ownDo) acquire(ctx context.Context) error { return o.lock.Do(ctx, nothing) }
func (o *ownDo) release() error                    { return nil }

func nothing(context.Context) error { return nil }

type gofrs struct {
	lock *flock.Flock
	take func(context.Context, *flock.Flock) (bool, error)
}

func gofrsKind(name string, take func(context.Context, *flock.Flock) (bool, error)) kind {
	return kind{name, func(path string) (locker, error) { return &gofrs{flock.New(path), take}, nil }}
}

func (g *gofrs) acquire(ctx context.Context) error {
	ok, err := g.take(ctx, g.lock)
	if err == nil && !ok {
		return errTaken
	}
	return err
}

func (g *gofrs) release() error { return g.lock.Unlock() }

// newGofrs is gofrs with a new lock each time.
type newGofrs struct {
	path string
	lock *flock.Flock
}

func (g *newGofrs) acquire(context.Context) error {
	g.lock = flock.New(g.path)
	ok, err := g.lock.TryLock()
	if err == nil && !ok {
		return errTaken
	}
	return err
}

func (g *newGofrs) release() error { return g.lock.Unlock() }

// lockedFile is cmd/go's lockedfile.
type lockedFile struct {
	mutex  *lockedfile.Mutex
	unlock func()
}

func (l *lockedFile) acquire(context.Context) (err error) {
	l.unlock, err = l.mutex.Lock()
	return err
}

func (l *lockedFile) release() error {
	l.unlock()
	return nil
}
