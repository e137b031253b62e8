package sys

import "errors"

// TryLock fails: AIX has no flock(2).
func (f File) TryLock(shared bool) error { return ErrNoLocks }

// Unlock has nothing to do.
func (f File) Unlock() error { return nil }

// duplicate fails: record locks of a process, the only ones here, are dropped
// when any of its descriptors of the file is closed.
func (f File) duplicate() (File, error) { return File{}, errors.ErrUnsupported }
