// Package lockedfile opens files under a lock, for content that several
// processes read and change.
//
// The lock of a file is [filelock.New] of its path with ".lock" after it.
// [Open] and [Read] share it, everything else takes it exclusively, and all of
// them take the options of a lock: [filelock.WithTimeout],
// [filelock.NonBlocking], [filelock.OnWait], [filelock.WithContent] and so on,
// except that reading and writing decide whether it is shared.
//
//	settings, err := lockedfile.Read(ctx, "settings.json")
//
//	err := lockedfile.Transform(ctx, "counter", func(old []byte) ([]byte, error) { … })
//
// [Write] and [Transform] replace the file: whoever reads it, with the lock or
// without, and whatever happens to the writer, sees the old content or the new
// one. A [File] is changed in place.
//
// Several steps are one under [Do], and under [File.Context]: what belongs to
// the owner that the context carries nests.
//
// # Which file is locked
//
// A symbolic link at the path is followed first, so that one file has one lock
// by whatever link it is reached. Hard links are files of their own. A lock
// file stays, and making it needs a directory that one may write to, for
// reading too; one that is there can be locked by all who may read it.
// [Itself] needs none. To open a file that does not exist makes no lock file,
// if the file is not made either.
//
// # Directories that everybody uses
//
// In a directory such as /tmp, where everybody may make files and nobody may remove
// another's, a stranger can have laid something for others to write to. There no
// symbolic link is followed that belongs neither to this user nor to the directory's
// owner, no such file is opened with O_CREATE (by [Create], [Edit], [Write] and
// [Transform], too), and no file is written to that has other names. The error
// matches [fs.ErrPermission]. It is what Linux does with fs.protected_symlinks and
// its like, and is done whether these are switched on or not.
//
// # Temporary files
//
// What Write and Transform prepare stands beside the file until it is ready, in
// a file that ends in ".lock.new", for which there has to be room in a name. If
// the process is killed in that instant it stays behind, and the next Write or
// Transform of that file removes it.
package lockedfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/gofilelock/filelock"
)

// A File is an open file under its lock. It has the methods of an [os.File].
type File struct {
	*osFile
	hold *filelock.Hold

	mu     sync.Mutex // guards closed
	closed bool       // the file is; the lock may not be free yet
}

// osFile is an [os.File] under a name that others cannot close it by.
type osFile = os.File

// Open opens the file at path for reading, and shares its lock with others who
// read.
//
// Like all functions here it fails with a [*filelock.LockError] if it does not
// get the lock, and otherwise, if the file cannot be opened, with a
// [*fs.PathError]. What is not a regular file is refused with an error that
// matches [fs.ErrInvalid]. After an error nothing is held or open.
func Open(ctx context.Context, path string, opts ...filelock.FileOption) (*File, error) {
	return OpenFile(ctx, path, os.O_RDONLY, 0, opts...)
}

// Create opens the file at path for reading and writing, exclusively. It makes
// the file if there is none, and empties it once it has the lock. A process
// that is killed before it has written everything leaves a part: see [Write].
func Create(ctx context.Context, path string, opts ...filelock.FileOption) (*File, error) {
	return OpenFile(ctx, path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, usualPerm, opts...)
}

// Edit opens the file at path for reading and writing, exclusively. It makes
// the file if there is none, and otherwise keeps its content.
func Edit(ctx context.Context, path string, opts ...filelock.FileOption) (*File, error) {
	return OpenFile(ctx, path, os.O_RDWR|os.O_CREATE, usualPerm, opts...)
}

// usualPerm are the permissions of new files, less the umask.
const usualPerm fs.FileMode = 0o666

// OpenFile opens the file at path as [os.OpenFile] does, with the same flag and
// perm, under its lock: exclusively if flag has O_WRONLY or O_RDWR, shared
// otherwise. The file is neither made nor emptied before the lock is held.
func OpenFile(ctx context.Context, path string, flag int, perm fs.FileMode, opts ...filelock.FileOption) (*File, error) {
	r, err := newRequest(path, flag, perm, opts)
	if err != nil {
		return nil, err
	}
	r.makes = flag&os.O_CREATE != 0
	return r.open(ctx)
}

// Context returns the context that the file was opened with, with the owner of
// its lock in it: what is opened, read or written with it nests. f itself goes
// on with what it has opened, even if [Write] or [Transform] replaces the file.
// Once f is closed the context may be cancelled.
func (f *File) Context() context.Context { return f.hold.Context() }

// Close closes the file and then gives the lock back, whatever duplicates of
// the file child processes have. It returns the errors of both. If the lock
// could not be given back, Close can be called again.
//
// Once all is done it fails with an error that matches [fs.ErrClosed].
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	closed, errFile := f.closed, error(nil)
	if !closed {
		f.closed = true
		errFile = f.osFile.Close()
	}
	errLock := f.hold.Release()
	if closed && errors.Is(errLock, filelock.ErrNotHeld) {
		return &fs.PathError{Op: "close", Path: f.Name(), Err: fs.ErrClosed}
	}
	return errors.Join(errFile, errLock)
}

// Read returns the content of the file at path, which it reads under the shared
// lock. The content is returned even if the lock could not be given back.
func Read(ctx context.Context, path string, opts ...filelock.FileOption) (content []byte, err error) {
	r, err := newRequest(path, os.O_RDONLY, 0, opts)
	if err != nil {
		return nil, err
	}
	err = r.use(ctx, func(f *os.File) (err error) {
		content, err = io.ReadAll(f)
		return err
	})
	return content, err
}

// Do calls fn while it has the lock that is named by description, with ".lock"
// after it. That may be the path of a file, which fn then can use with the
// context that it gets as often as it likes, as in one step; or anything else
// that several processes agree upon. All else is as of [filelock.FileLock.Do].
func Do(ctx context.Context, description string, fn func(context.Context) error, opts ...filelock.FileOption) error {
	r, err := newRequest(description, os.O_RDWR, 0, opts)
	if err != nil {
		return err
	}
	if r.itself {
		return r.invalid("Itself is of no use without a file")
	}
	at, err := resolve(description)
	if err != nil {
		return err
	}
	return filelock.New(at+suffix, opts...).Do(ctx, fn)
}
