//go:build (unix && !aix) || windows

package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/holders"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
)

// A fileGrant is an OS lock that this process has.
type fileGrant struct {
	file     sys.File
	path     string // from the root
	id       sys.ID
	kind     holders.Kind
	remove   bool
	readOnly error // why the file could not be opened for writing

	mu    sync.Mutex // guards the end of file
	given bool       // the lock has been given back, and the file closed
}

// errMoved says that the path does not lead to the file that was locked.
var errMoved = errors.New("the file was replaced while it was locked")

// attempt tries once to get the lock.
func (b *fileBackend) attempt(r Request) (Grant, error) {
	if b.file != nil {
		return b.attemptOpen(r)
	}
	path, err := address.Abs(b.path)
	if err != nil {
		return nil, err
	}
	for range attempts {
		g, err := b.take(path, r)
		if !errors.Is(err, errMoved) {
			return g, err
		}
	}
	return nil, ErrLocked
}

// take opens, locks and verifies the file at path.
func (b *fileBackend) take(path string, r Request) (Grant, error) {
	_, kind := b.kind()
	g := &fileGrant{path: path, kind: kind, remove: b.set.remove}
	err := g.open(b.set.mode)
	if errors.Is(err, sys.ErrBusy) {
		return nil, ErrLocked // not by a lock, but for as long as it takes
	}
	if err != nil {
		return nil, err
	}
	if err := g.lock(r.Shared); err != nil {
		return nil, g.abort(err)
	}
	info, err := g.verify()
	g.remove = g.remove && !info.Mode.IsDir()
	if err == nil {
		err = b.write(g, info, r)
	}
	if err != nil {
		return nil, g.abort(errors.Join(err, g.unlock()))
	}
	return g, nil
}

// attemptOpen locks the caller's own file.
func (b *fileBackend) attemptOpen(r Request) (Grant, error) {
	f, err := sys.Duplicate(b.file) // which keeps the lock if the caller closes the file
	if err != nil {
		return nil, err
	}
	_, kind := b.kind()
	g := &fileGrant{file: f, path: b.path, kind: kind}
	if err := g.lock(r.Shared); err != nil {
		return nil, g.abort(err)
	}
	info, err := g.file.Info()
	if err == nil {
		g.id = info.ID
		err = b.write(g, info, r)
	}
	if err != nil {
		return nil, g.abort(errors.Join(err, g.unlock()))
	}
	return g, nil
}

// abort closes the file of a lock that was not got for the reason err.
func (g *fileGrant) abort(err error) error {
	if errClose := g.file.Close(); errClose != nil {
		return errors.Join(err, errClose)
	}
	return err
}

// write puts the content into the file that describes the holder, if that is
// wanted and there is only one.
func (b *fileBackend) write(g *fileGrant, info sys.Info, r Request) error {
	if b.content == nil || r.Shared {
		return nil
	}
	if info.Mode.IsDir() {
		return invalid("a directory has no content (omit WithContent)")
	}
	if g.readOnly != nil {
		return fmt.Errorf("content cannot be written: %w", g.readOnly)
	}
	self := thisProcess()
	text := b.content.Append(nil, record.Fields{
		PID: self.PID, Hostname: self.Host, Command: self.Command, Owner: r.Owner, Since: time.Now(),
	})
	_, err := g.file.WriteAt(text, 0)
	if err == nil && info.Size != int64(len(text)) {
		err = g.file.Truncate(int64(len(text)))
	}
	if err != nil {
		return errors.Join(err, g.file.Truncate(0)) // rather nothing than half of it
	}
	return nil
}

// lock tries once to lock the open file.
func (g *fileGrant) lock(shared bool) error {
	try := g.file.TryLock
	if g.kind == holders.Record {
		try = g.file.TryRecordLock
	}
	err := try(shared)
	switch {
	case errors.Is(err, sys.ErrBusy):
		return ErrLocked
	case errors.Is(err, sys.ErrNoLocks):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case err != nil && g.readOnly != nil && !shared:
		// Record locks, and flock on NFS, want to write to lock exclusively.
		return errors.Join(g.readOnly, err)
	}
	return err
}

func (g *fileGrant) unlock() error {
	if g.kind == holders.Record {
		return g.file.RecordUnlock()
	}
	return g.file.Unlock()
}

// Release unlocks the file and then closes it. Closing alone would leave it
// locked if a child process has just inherited it.
func (g *fileGrant) Release(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.given {
		return nil
	}
	errRemove := g.removeHeld()
	if err := g.unlock(); err != nil {
		return errors.Join(err, errRemove)
	}
	g.given = true
	return Released(errors.Join(errRemove, g.file.Close(), g.removeFree()))
}

// Abandon closes the file, which gives the lock back unless a child process
// has it open too.
func (g *fileGrant) Abandon() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given = true
	return g.file.Close()
}

// Identity tells the lock from all others, whatever its name.
func (g *fileGrant) Identity() any { return fileIdentity{g.kind, g.id} }

// File returns a duplicate of the locked file.
func (g *fileGrant) File() (*os.File, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.given {
		return nil, os.ErrClosed
	}
	return g.file.OSFile(g.path)
}
