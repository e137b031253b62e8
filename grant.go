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
	"github.com/gofilelock/filelock/internal/wait"
)

// A fileGrant is an OS lock that this process has, or wants.
type fileGrant struct {
	key    string
	path   string // from the root; empty if the file is the caller's
	kind   holders.Kind
	remove bool
	shared bool

	file     sys.File
	open     bool
	id       sys.ID
	isDir    bool
	readOnly error // why the file could not be opened for writing
	accessed int64 // when the file was, as was last seen
	changed  int64
	local    bool // it is known that nobody comes to the file but through this system

	turn wait.Turn

	mu    sync.Mutex // guards the end of file
	given bool       // the lock has been given back
	lent  bool       // somebody has a duplicate of file, and with it the lock
}

// errMoved says that the path does not lead to the file that was locked.
var errMoved = errors.New("the file was replaced while it was locked")

func (b *fileBackend) Acquire(ctx context.Context, r Request) (Grant, error) {
	g, err := b.newGrant(r.Key)
	if err != nil {
		return nil, err
	}
	err = b.try(g, r)
	if errors.Is(err, ErrLocked) && !r.NoWait {
		err = b.wait(ctx, g, r)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	g.turn, g.shared = wait.Turn{}, r.Shared
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given = false
	return g, nil
}

func (b *fileBackend) newGrant(key string) (g *fileGrant, err error) {
	_, kind := b.kind()
	if b.file != nil {
		g = &fileGrant{kind: kind}
		if g.file, err = sys.Duplicate(b.file); err != nil { // which keeps the lock if the caller closes the file
			return nil, err
		}
		if err = g.opened(); err != nil {
			return nil, err
		}
		return g, nil
	}
	path, err := address.Abs(b.path)
	if err != nil {
		return nil, err
	}
	g, _ = takeKept(key).(*fileGrant)
	if g == nil {
		g = &fileGrant{key: key, kind: kind}
	}
	g.path, g.remove = path, b.set.remove
	return g, nil
}

// wait tries until it gets the lock. The file stays open in between, so that
// those who wait do not wake each other by closing it.
func (b *fileBackend) wait(ctx context.Context, g *fileGrant, r Request) error {
	w := wait.New(g.path, wait.Unlocking, r.PollInterval, func() bool { return g.open && g.file.Knock() })
	err := w.Persevere(ctx, ErrLocked, func() error { return b.try(g, r) })
	if err == nil {
		wait.Heard(g.path) // somebody outside has had it
	}
	return err
}

// try tries once to get the lock, with the file that is open or else one that it
// opens. If it fails the file may be open.
func (b *fileBackend) try(g *fileGrant, r Request) error {
	for range attempts {
		if !g.open {
			if err := g.openFile(b.set.mode); err != nil {
				return err
			}
		}
		err := g.lock(r.Shared)
		if err == nil {
			err = b.begin(g, r)
		} else if errors.Is(err, ErrLocked) && g.leads() != nil {
			err = errMoved // the lock is another one by now
		}
		if !errors.Is(err, errMoved) {
			return err
		}
		if err := g.close(); err != nil {
			return err
		}
	}
	return ErrLocked
}

// begin makes sure that what has just been locked is the lock, or unlocks it.
func (b *fileBackend) begin(g *fileGrant, r Request) error {
	err := g.leads()
	if err == nil {
		err = b.write(g, r)
	}
	if err != nil {
		return errors.Join(err, g.unlock())
	}
	return nil
}

// opened notes what there is to know of the file that has just been opened, and
// makes sure that it is one.
func (g *fileGrant) opened() error {
	info, err := g.file.Info()
	if err == nil && !lockable(info.Mode) && g.key != "" {
		err = sys.Irregular(info.Mode)
	}
	if err != nil {
		return errors.Join(err, g.file.Close())
	}
	g.open, g.id, g.isDir, g.accessed, g.changed = true, info.ID, info.Mode.IsDir(), info.Accessed, info.Changed
	return nil
}

func (g *fileGrant) close() error {
	if !g.open {
		return nil
	}
	g.open = false
	return g.file.Close()
}

// write puts the content into the file that describes the holder, if that is
// wanted and there is only one.
func (b *fileBackend) write(g *fileGrant, r Request) error {
	switch {
	case b.content == nil || r.Shared:
		return nil
	case g.isDir:
		return invalid("a directory has no content (omit WithContent)")
	case g.readOnly != nil:
		return fmt.Errorf("content cannot be written: %w", g.readOnly)
	}
	info, err := g.writable()
	if err != nil {
		return err
	}
	self := thisProcess()
	text := b.content.Append(nil, record.Fields{
		PID: self.PID, Hostname: self.Host, Command: self.Command, Owner: r.Owner, Since: time.Now(),
	})
	_, err = g.file.WriteAt(text, 0)
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

// HandOver reports whether the lock is now what to would get for r: of the same
// file, and with the content that belongs to it.
func (g *fileGrant) HandOver(to Backend, r Request) bool {
	b, ok := to.(*fileBackend)
	if !ok || g.key == "" || g.remove || b.set.remove || g.isLent() || !g.turn.GoesOn(g.path) {
		return false
	}
	return g.stands() && b.write(g, r) == nil
}

// stands reports whether the path leads to the file. Whatever is done to the
// file or to its name shows in the file, which is quicker to look at; what is
// done to its directories does not, so the path is looked at now and then.
func (g *fileGrant) stands() bool {
	info, err := g.file.Info()
	if err != nil || info.Links == 0 {
		return false
	}
	if info.Changed == g.changed && !g.turn.Looks() {
		return true
	}
	g.changed = info.Changed
	return g.leads() == nil
}

func (g *fileGrant) isLent() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lent
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
	errUnlock := g.unlock()
	if errUnlock != nil && g.goesOn() {
		return errors.Join(errUnlock, errRemove)
	}
	g.given = true
	if g.lent || g.key == "" {
		g.file.Wake() // closing does not, as it is open elsewhere
	}
	keeps, err := false, errUnlock
	if err == nil {
		keeps, err = g.keep()
	}
	if !keeps {
		err = errors.Join(err, g.close(), g.removeFree())
	}
	g.turn.End()
	if errRemove != nil {
		err = errors.Join(errRemove, err)
	}
	return Released(err)
}

// Abandon closes the file, which gives the lock back unless a child process
// has it open too.
func (g *fileGrant) Abandon() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given = true
	err := g.close()
	g.turn.End()
	return err
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
	g.lent = true
	return g.file.OSFile(g.path)
}
