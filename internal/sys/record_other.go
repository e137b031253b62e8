//go:build unix && !linux

package sys

// HasRecordLocks reports whether this system has record locks that belong to
// an open file rather than to a process. Those of a process are no substitute:
// closing any other descriptor of the file would drop them.
const HasRecordLocks = false

// TryRecordLock fails: see [HasRecordLocks].
func (f File) TryRecordLock(shared bool) error { return ErrNoLocks }

// RecordUnlock has nothing to do.
func (f File) RecordUnlock() error { return nil }

func conflictIsEACCES(File) bool { return false }
