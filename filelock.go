// Package filelock locks files, for programs that must not run into each other:
// command-line tools, cron jobs, daemons, caches, package managers, test runners.
//
// A lock is taken for the time of a function, or by hand:
//
//	lock := filelock.New("high_ground.txt.lock", filelock.WithTimeout(10*time.Second))
//
//	err := lock.Do(ctx, func(ctx context.Context) error { … })
//
//	hold, err := lock.Acquire(ctx)
//	if err != nil {
//		return err
//	}
//	defer hold.Release()
//
// # Which lock
//
// [New] is for everything that lives on one machine: a lock of the operating
// system, which goes with the process that has it. [NewSoft] is for file systems
// that have none, and to work with py-filelock's SoftFileLock. Package lease has
// flufl.lock's lock, which ends by itself when its holder does. [NewLock] makes
// a lock of any other kind from a [Backend]. They share all that follows.
//
// # Owners
//
// Locks are reentrant. What counts is not the goroutine but the [Owner], which
// the context carries: whoever passes on the context that [Lock.Do] or
// [Hold.Context] gives re-enters, and whoever does not is a stranger and waits.
// Locks of one file are one lock, whatever number of objects there are and
// however their paths are spelled.
//
// # Waiting
//
// An acquisition waits until the lock is free, its timeout is over, or its
// context ends. In one process waiters are served in their order. Errors, and
// the function given to [OnWait], name who has the lock where that can be known.
//
// # What is promised
//
// An error means that nothing is held and nothing is left behind; no error means
// that the lock is held, on the file that the path names now, until Release or
// the end of the process. A lock that can be taken away from its holder tells
// it: see [Hold.Lost]. These locks are advisory. They exclude those who use
// them, and nobody else.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/holders"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
)

// A FileLock is a lock of the operating system on a file or a directory:
// flock(2) on Unix, LockFileEx on Windows. The system gives it back when its
// holder ends, however that happens. It excludes, and is excluded by, flock(1),
// py-filelock's FileLock, zc.lockfile, gofrs/flock and cmd/go's lockedfile.
//
// The file is created if need be, and stays. Neither its content nor its mode
// are touched unless an option asks for it. It is never followed through a
// symbolic link in the last part of its path, and whatever is neither a file
// nor a directory is refused. If it is replaced or removed, nobody holds what
// is left of it: acquisition makes sure that the path still leads to the file
// that it has locked.
//
// Attempts open the file and close it, up to 200 ms after the last release, which
// drops the record locks of fcntl(2) that this same process has on it by other
// means.
//
// # Windows
//
// The lock is on the first byte of the file, which others cannot read or write
// meanwhile. An open lock file cannot be removed. Directories cannot be locked.
//
// # AIX
//
// The lock is gofrs/flock's, a record lock of the process. [NewFile], and
// options other than [WithMode] and [WithParents], are not supported.
type FileLock struct{ core }

// New returns the lock of the file at path. It does nothing yet: options that
// make no sense are reported by the first acquisition. A relative path is
// resolved by each acquisition of its own.
func New(path string, opts ...FileOption) *FileLock {
	b := &fileBackend{path: path}
	return &FileLock{b.core(opts)}
}

// NewFile returns the lock of a file that the caller has open, and keeps. The
// lock belongs to that open file, so duplicates of it in other processes share
// the lock, and Release gives it back for all of them. Closing f while the lock
// is held changes nothing.
func NewFile(f *os.File, opts ...FileOption) *FileLock {
	b := &fileBackend{file: f}
	if f != nil {
		b.path = f.Name()
	}
	return &FileLock{b.core(opts)}
}

// fileBackend is the [Backend] of FileLock. How the file is opened, locked,
// verified and unlocked stands in unix.go and windows.go.
type fileBackend struct {
	path    string
	set     pathSettings
	key     *address.Key
	file    *os.File // the caller's; nil if there is only the path
	content *record.Template
}

func (b *fileBackend) core(opts []FileOption) core {
	set, content, misuse := fileSettingsOf(opts)
	b.set, b.content = set.pathSettings, content
	switch {
	case misuse != nil:
	case b.file != nil && (b.set.remove || b.set.mode != nil || b.set.parents != nil):
		misuse = invalid("WithRemove, WithMode and WithParents are of no use for a file that is open already")
	case b.file == nil:
		misuse = checkPath(b.path)
	case b.content != nil && appends(b.file):
		misuse = invalid("WithContent cannot replace the content of a file that is open for appending")
	}
	if name, _ := b.kind(); b.file == nil {
		b.key = address.KeyOf(name, b.path)
	}
	return core{backend: b, path: b.path, set: set.lockSettings, misuse: misuse}
}

// checkPath reports a path that the system would not take.
func checkPath(path string) error {
	switch {
	case path == "": // or NewFile(nil)
		return invalid("the lock has no file")
	case strings.ContainsRune(path, 0):
		return invalid("the path %q holds a NUL byte", path)
	}
	return nil
}

// appends reports whether whatever is written to f goes to its end.
func appends(f *os.File) bool {
	_, err := f.WriteAt(nil, 0) // which package os refuses then
	return err != nil && !errors.Is(err, os.ErrClosed)
}

// kind returns what the lock is made of. Kinds do not exclude each other.
func (b *fileBackend) kind() (name string, kind holders.Kind) {
	if b.set.records {
		return "record", holders.Record
	}
	return "flock", holders.Flock
}

func (b *fileBackend) Key(context.Context) (string, error) {
	if b.file == nil {
		return b.key.Get()
	}
	name, _ := b.kind()
	info, err := b.stat()
	return fmt.Sprintf("%s open:%x:%x", name, info.ID.Dev, info.ID.Ino), err
}

// Prepare makes the directories that are missing, if it was asked for.
func (b *fileBackend) Prepare(context.Context) error {
	return makeParents(b.path, b.set.parents)
}

func makeParents(path string, perm *fs.FileMode) error {
	dir, _ := address.Split(path)
	if perm != nil {
		return os.MkdirAll(dir, *perm)
	}
	if _, err := sys.Stat(dir); err != nil {
		return fmt.Errorf("directory %s: %w (make it, or use WithParents)", dir, err)
	}
	return nil // somebody has just made it
}

// fileIdentity is what tells one OS lock from all others.
type fileIdentity struct {
	kind holders.Kind
	file sys.ID
}

func (b *fileBackend) Identify(context.Context) (any, error) {
	info, err := b.stat()
	_, kind := b.kind()
	return fileIdentity{kind, info.ID}, err
}

// stat describes the file, and does not open it.
func (b *fileBackend) stat() (sys.Info, error) {
	if b.file != nil {
		return sys.InfoOf(b.file)
	}
	return sys.Lstat(b.path)
}

func (b *fileBackend) Inspect(context.Context) (State, error) {
	info, err := b.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	if b.file == nil && !lockable(info.Mode) {
		return State{}, sys.Irregular(info.Mode)
	}
	_, kind := b.kind()
	locks, err := holders.List(info.ID, kind)
	s := State{Held: len(locks) > 0}
	for _, l := range locks {
		s.Shared = l.Shared
		s.Holders = append(s.Holders, local(l.PID))
	}
	written, ok := b.readContent()
	switch {
	case !ok:
	case len(s.Holders) == 0 && err != nil: // the system does not tell; a hint is better than nothing
		s.Holders = []Holder{written}
	default:
		for i, h := range s.Holders {
			if h.PID == written.PID {
				s.Holders[i].Owner, s.Holders[i].Since = written.Owner, written.Since
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return s, err
}

// local describes a process of this machine; 0 is one that cannot be seen.
func local(pid int) Holder {
	h := Holder{PID: pid, Host: hostname(), self: pid == os.Getpid()}
	if pid != 0 {
		h.Command, h.Started = procid.Describe(pid)
	}
	return h
}

// attempts bounds how often in a row something is tried again because others
// were faster. After that the lock counts as contended.
const attempts = 100

// create makes the file at path, with the permissions that are asked for. It
// fails with [fs.ErrExist] where there is one.
func create(path string, mode *fs.FileMode) (sys.File, error) {
	if mode == nil {
		return sys.Create(path, 0o666)
	}
	f, err := sys.Create(path, *mode)
	if err != nil {
		return f, err
	}
	if err := f.Chmod(*mode); err != nil {
		return f, errors.Join(err, f.Close()) // and it stays: others may have opened it
	}
	return f, nil
}

func lockable(mode fs.FileMode) bool { return mode.IsRegular() || mode.IsDir() }

// readContent returns whom the file's content names, which is a hint: anybody
// can write there, and it stays when the lock is given back.
func (b *fileBackend) readContent() (Holder, bool) {
	if b.content == nil || b.file != nil {
		return Holder{}, false
	}
	f, err := sys.Open(b.path, sys.Peek)
	if err != nil {
		return Holder{}, false
	}
	defer f.Close()
	text := make([]byte, maxContent)
	n, err := f.ReadAt(text, sys.LockedBytes)
	if err != io.EOF {
		return Holder{}, false
	}
	fields, ok := b.content.Skip(sys.LockedBytes).Parse(string(text[:n]))
	return Holder{
		PID: fields.PID, Host: procid.Printable(fields.Hostname), Command: procid.Printable(fields.Command),
		Owner: procid.Printable(fields.Owner), Since: fields.Since,
	}, ok
}

// maxContent bounds what is read of a lock file, in bytes.
const maxContent = 4096

func (b *fileBackend) Break(ctx context.Context, s State) error {
	holder := "its holder"
	if len(s.Holders) > 0 {
		holder = s.Holders[0].String()
	}
	return fmt.Errorf("%w: a lock of the operating system ends with its process (end %s)", ErrUnsupported, holder)
}
