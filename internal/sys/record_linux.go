package sys

import (
	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// HasRecordLocks reports whether this system has record locks that belong to
// an open file rather than to a process.
const HasRecordLocks = true

// TryRecordLock tries once to take a record lock on all of the file. It fails
// as [File.TryLock] does. An exclusive one needs a file open for writing, a
// shared one a file open for reading.
func (f File) TryRecordLock(shared bool) error {
	kind := int16(unix.F_WRLCK)
	if shared {
		kind = unix.F_RDLCK
	}
	return lockError(f, f.setRecord(fault.Lock, kind))
}

// RecordUnlock gives back what [File.TryRecordLock] took.
func (f File) RecordUnlock() error { return f.setRecord(fault.Unlock, unix.F_UNLCK) }

func (f File) setRecord(op fault.Op, kind int16) error {
	whole := unix.Flock_t{Type: kind} // from offset 0 to wherever the file ends
	return call(op, "", func() error {
		return unix.FcntlFlock(uintptr(f.fd), unix.F_OFD_SETLK, &whole)
	})
}

// conflictIsEACCES reports whether f is on a file system that answers a lock
// conflict with EACCES, which elsewhere is a refusal for good: cifs does.
func conflictIsEACCES(f File) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(f.fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC:
		return true
	}
	return false
}

// RenameExclusive renames oldpath to newpath. It fails with [fs.ErrExist]
// where anything has that name.
func RenameExclusive(oldpath, newpath string) error {
	return nameError(call(fault.Rename, newpath, func() error {
		return unix.Renameat2(unix.AT_FDCWD, oldpath, unix.AT_FDCWD, newpath, unix.RENAME_NOREPLACE)
	}))
}
