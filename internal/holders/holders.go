// Package holders tells which processes hold an operating-system lock on a
// file, without touching the file or its locks.
package holders

import (
	"errors"
	"fmt"
)

// A Kind is a kind of lock that knows nothing of the others.
type Kind int

// The kinds of locks.
const (
	Flock  Kind = iota // flock(2)
	Record             // fcntl(2), of a process or of an open file
)

// A Lock is one that somebody holds.
type Lock struct {
	PID    int // 0: a process that cannot be seen from here
	Shared bool
}

// An Entry is a lock on some file of this machine, which somebody holds or is
// blocked on.
type Entry struct {
	Lock
	Kind    Kind
	Process bool   // a record lock of a process, not of an open file
	Waiting bool   // nobody holds it: the process is blocked on it
	Path    string // as the system shows it; empty where that is unknown
}

// ErrUnknown is returned where the system does not tell who holds locks.
var ErrUnknown = fmt.Errorf("this system does not tell who holds a lock: %w", errors.ErrUnsupported)
