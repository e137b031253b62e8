package lockedfile

import "github.com/gofilelock/filelock"

// Itself has the file itself locked, in the place of the one beside it, as
// cmd/go's lockedfile does: the two exclude each other then. Who locks the file
// beside it is not excluded.
//
// [Write] and [Transform] change the content in place then. Replacing the file
// would leave those who wait with the lock of the old one, and cmd/go's does not
// look. So a process that is killed leaves a part of what it was to write, and
// who reads without the lock may see one. If writing fails the old content is
// put back, as far as that is possible.
//
// There is no lock file, so of all options only those go with it that every
// lock has: [filelock.Option]. [Do] has no use for it. A file that is made to be
// locked stays, even if the lock is not to be had.
//
// # Windows
//
// The lock is on the first byte of the file, which nobody else can read or
// write meanwhile: not by another File of the same owner, either.
//
// # AIX
//
// Nothing is opened: the error matches [filelock.ErrUnsupported].
func Itself() filelock.FileOption {
	return itself{filelock.WithContent("{lockedfile.Itself}")}
}

// itself is found by its type. What it consists of is for the method that only
// options have; a lock that it is given to by mistake says that it knows no such
// field.
type itself struct{ filelock.FileOption }
