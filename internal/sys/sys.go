// Package sys holds the file operations that locks are made of, as thin as the
// system calls beneath them.
//
// It exists for three reasons. An [os.File] closes its descriptor when it is
// collected, which would drop a lock; a [File] never does. Every operation is
// repeated when a signal interrupts it. And every operation passes through
// package fault, so that tests can make it fail.
//
// Errors are those of the system, as [*os.SyscallError], and match the
// sentinels of io/fs. Files are never followed through a symbolic link in the
// last part of their name, are not passed on to child processes, and opening a
// named pipe does not wait.
package sys

import (
	"errors"
	"io/fs"
	"math"

	"github.com/gofilelock/filelock/internal/fault"
)

// ErrBusy is what an attempt returns when somebody else has what it wants for himself,
// be that a lock or, as on Windows, the file. Trying again may help.
var ErrBusy = errors.New("locked by somebody else")

// ErrNoLocks is what an attempt to lock returns when the system or the file
// system has no such locks.
var ErrNoLocks = errors.New("locks of this kind do not exist here")

// ErrNoNames is what [Link] and [RenameExclusive] return when the system or the
// file system cannot do that.
var ErrNoNames = errors.New("names cannot be given this way here")

// An Access says what a file is opened for.
type Access int

// What a file can be opened for.
const (
	ReadOnly Access = iota
	ReadWrite
	// Peek reads without standing in anybody's way: on Windows an open file
	// can otherwise not be deleted.
	Peek
	// Touch is to set its times, and does not stand in the way of those who
	// read it. Where it is open so nobody can remove it on Windows.
	Touch
)

// An ID tells one file from all others that exist at the same time. The number
// of a file that is gone may be used again at once, so equal IDs prove nothing
// unless one of the files is held open.
type ID struct{ Dev, Ino uint64 }

// Info is what is known of a file.
type Info struct {
	ID      ID
	Mode    fs.FileMode // type and permissions
	Size    int64
	ModTime int64 // nanoseconds since 1970, or as close to them as an int64 can be
	Owner   int64 // the number of the user, or -1 where that is not known

	// Of these nothing is known outside of Unix: how many names the file has,
	// when it was accessed and changed, in nanoseconds since 1970, and whether
	// times are seen to be finer than a millisecond. For Changed, see also
	// [File.Changed].
	Links             int
	Accessed, Changed int64
	Fine              bool
}

// nanoseconds is the time since 1970 of a file. Some file systems know years that
// an int64 does not reach: what ends after it must not seem to have ended before.
func nanoseconds(seconds, rest int64) int64 {
	switch {
	case seconds >= math.MaxInt64/int64(1e9):
		return math.MaxInt64
	case seconds <= math.MinInt64/int64(1e9):
		return math.MinInt64
	}
	return seconds*1e9 + rest
}

// Getwd returns the working directory.
func Getwd() (string, error) {
	if err := fault.Before(fault.Getwd, ""); err != nil {
		return "", err
	}
	dir, err := getwd()
	return dir, fault.After(fault.Getwd, "", err)
}
