// Package marker has locks that are held as long as something stands at a path:
// a file, a directory or a symbolic link. They are those of Python's lockfile
// 0.12: same names, same meaning, so both sides exclude each other.
//
//	lock := marker.New("/some/file/or/other", marker.Config{})
//	err := lock.Do(ctx, func(ctx context.Context) error { … })
//
// Take [filelock.New] unless the other side is lockfile. A marker outlives a
// process that dies: until somebody breaks it, the lock stays held.
//
// # Kinds
//
//	lock         lockfile's class   what stands there
//	[NewLink]    LinkLockFile       path.lock, a hard link of a file beside it
//	[NewMkdir]   MkdirLockFile      path.lock, a directory with one file in it
//	[NewSymlink] SymlinkLockFile    path.lock, a symbolic link that leads nowhere
//	[NewPID]     PIDLockFile        the path itself, a file with a process id in it
//	[New]        LockFile           a link, or a directory where there are no links
//
// The path is made absolute, and shortened as by [filepath.Clean], before
// ".lock" is added; so does lockfile. All kinds exclude each other where they
// meet at one path, though a PID lock refuses anything but a file there, which it
// takes for a mistake; all kinds refuse devices, sockets and named pipes.
//
// The file beside, the file in the directory and the end of the symbolic link
// have one sort of name: host-tag.pid-number. Lockfile has the number of the
// thread for a tag and a hash of the path for a number. Here the tag stands for
// the boot and the pid namespace, and the number is random. The linked file
// says its own name; lockfile's is empty.
//
// # From lockfile
//
//	acquire(timeout=None), > 0, <= 0   Acquire, WithTimeout, TryAcquire
//	AlreadyLocked                      [filelock.ErrLocked]
//	LockTimeout                        [filelock.ErrTimeout]
//	LockFailed                         the system's error
//	NotLocked, NotMyLock               [filelock.ErrNotHeld], [filelock.ErrNotOwner]
//	is_locked()                        Inspect: State.Held
//	i_am_locking()                     Held, or Depth for one owner
//	break_lock()                       Inspect, then Break
//	threaded                           [filelock.Owner]
//
// # The dead
//
// Inspect says that a holder is dead (State.Stale) if that is certain. With
// [Config.BreakStale] an acquisition then removes its marker. Certain it is where
// the marker names this host, boot and pid namespace, as only this package's do,
// and no process has the number any more. Lockfile's own markers name neither
// boot nor namespace, so they always read as held, as does whatever cannot be
// read; Break removes them.
//
// The file of a PID lock says nothing but the number. It proves something only to
// those who know that whoever uses the lock runs on this machine, and not in a
// container that has numbers of its own: that is what BreakStale says then, and
// without it no PID lock is called stale. Dead is a number that no process has, in
// a file that is not on a network file system. Its time proves nothing, since
// clocks are set; so if another process has the number by now, even this one, the
// lock reads as held. Linux only: elsewhere it is not known what is a network file
// system.
//
// # Losing a lock
//
// Others may remove the marker of a holder who lives: lockfile's break_lock does.
// The holder finds out within a second, see [filelock.Hold.Lost], and its Release
// fails with [filelock.ErrLost] and leaves the successor's marker alone.
//
// # Removing
//
// Break, and Release too, remove no marker but the one that is meant. All of this
// package lock the file or directory with flock(2) meanwhile, and for a symbolic
// link a file beside it, path.lock.break, that is there only then. Lockfile does
// not: if its break_lock or release runs in the same instant as Break, the two
// may remove the marker of whoever came in between. Of directories the same is
// true on Windows, and of symbolic links, for Release, where the file beside
// cannot be made.
//
// # A process that is killed
//
// It leaves its marker, if it had the lock. If it was about to get it or to give
// it back, it may leave the file beside a Link (which is in nobody's way), an
// empty directory, an empty PID file (both of an unknown holder, so they read as
// held), or path.lock.break, which the next one removes, or is told of if it is
// another user's. Break removes the file beside with the marker.
//
// # What lockfile does
//
// A LinkLockFile whose lock was broken removes the marker of its successor when it
// is released, unless Break was this package's, which takes its unique file away.
// To its LinkLockFile and MkdirLockFile, is_locked says that a symbolic link holds
// nothing, though it keeps them out. The file that a [filelock.FileLock] leaves at
// path.lock is a lock to all of them, held for ever. PIDLockFile makes one attempt where others
// wait. Its break_lock on a MkdirLockFile removes all files in the directory,
// whoever's they are. Two of its processes in containers of one host name can
// have one unique name, and both hold the lock.
package marker

import (
	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/mark"
)

// A Config holds the settings of these locks. The zero Config is what lockfile
// does.
type Config struct {
	// BreakStale has acquisitions remove the marker of a holder that is certainly
	// dead: see the package documentation, for what this says of a PID lock in
	// particular.
	BreakStale bool
}

// A Lock is a lock that is held as long as a marker stands. Its methods are those
// of [filelock.Lock].
type Lock struct {
	*filelock.Lock
	file string
}

// LockFile returns the path of the marker, relative if the lock's path is.
func (l *Lock) LockFile() string { return l.file }

// New returns the lock on path that lockfile's LockFile is: that of [NewLink], or
// of [NewMkdir] on a file system that has no hard links. Like all constructors it
// does nothing yet: a path that makes no sense is reported by the first
// acquisition.
func New(path string, c Config, opts ...filelock.Option) *Lock {
	return newLock(path, suffix, c, opts, placeAny)
}

// NewLink returns the lock on path that is held by a hard link. It fails with
// [filelock.ErrUnsupported] on a file system that has none.
func NewLink(path string, c Config, opts ...filelock.Option) *Lock {
	return newLock(path, suffix, c, opts, placeLink)
}

// NewMkdir returns the lock on path that is held by a directory.
func NewMkdir(path string, c Config, opts ...filelock.Option) *Lock {
	return newLock(path, suffix, c, opts, placeDirectory)
}

// NewSymlink returns the lock on path that is held by a symbolic link. It fails
// with [filelock.ErrUnsupported] on a file system that has none, and on Windows.
func NewSymlink(path string, c Config, opts ...filelock.Option) *Lock {
	return newLock(path, suffix, c, opts, placeSymlink)
}

// NewPID returns the lock that is held by the file at path itself, which says the
// process id of the holder. The file's mode is 0644 less the umask. For an instant it
// says nothing, and its holder is unknown: Break of a file that was inspected then may
// end the hold that has become of it, which is told so.
func NewPID(path string, c Config, opts ...filelock.Option) *Lock {
	return newLock(path, "", c, opts, placePID)
}

// suffix makes the path of a marker from that of a lock.
const suffix = ".lock"

func newLock(path, suffix string, c Config, opts []filelock.Option, place func(path string) (mark.Marker, error)) *Lock {
	b := newBackend(path, suffix, c, place)
	return &Lock{filelock.NewLock(b, opts...), b.file}
}
