package lockedfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/replace"
)

// Write has the file at path consist of content. It reads content to its end,
// and then takes the lock. A file that is made has the permissions perm, less
// the umask.
//
// The file is replaced by a new one, which is flushed to the disk before it gets
// the name. The new one has the permissions of the old one, and its owner and
// group if this user may give it these; but not its access control list, nor
// its other hard links. Without its list, or its group, it gives the group what it
// gives all others. A file that may not be written to is not replaced, and a
// symbolic link stays one. If Write fails, the file is as it was, or has the
// new content, which a power failure might undo.
//
// With [Itself] the file is changed in place.
func Write(ctx context.Context, path string, content io.Reader, perm fs.FileMode, opts ...filelock.FileOption) error {
	r, err := newRequest(path, os.O_WRONLY, perm, opts)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return r.change(ctx, func([]byte) ([]byte, error) { return text, nil })
}

// Transform calls t with the content of the file at path, which is empty if
// there is none, and has the file consist of what t returns, in the way of
// [Write]: all of that under the lock. If t fails, the file is not touched, and
// Transform returns the error. t must not change the bytes that it is given. What t
// locks with ctx nests if ctx carries an owner, who has the lock of path as by
// [filelock.Lock.Acquire].
func Transform(ctx context.Context, path string, t func(old []byte) ([]byte, error), opts ...filelock.FileOption) error {
	r, err := newRequest(path, os.O_RDWR, usualPerm, opts)
	if err != nil {
		return err
	}
	r.calls = true
	return r.change(ctx, t)
}

// change has the file consist of what t makes of its content, of which it knows
// nothing if the request is not for reading.
func (r *request) change(ctx context.Context, t func([]byte) ([]byte, error)) error {
	if r.itself {
		return r.changeInPlace(ctx, t)
	}
	r.makes = true
	return r.persist(func() error { return r.replace(ctx, t) })
}

func (r *request) replace(ctx context.Context, t func([]byte) ([]byte, error)) error {
	lock, at, err := r.lockBeside()
	if err != nil {
		return err
	}
	return r.under(ctx, lock, func(ctx context.Context) error {
		at, err := address.Abs(at) // t may change the working directory
		if err != nil {
			return err
		}
		was, old, err := r.old(ctx, at)
		if err != nil {
			return err
		}
		content, err := t(old)
		if err != nil {
			return err
		}
		return newTurn(at).Do(ctx, func() error {
			if err := replace.File(at, at+suffix+".new", was, r.perm, content); err != nil {
				return &fs.PathError{Op: "replace", Path: at, Err: err}
			}
			return nil
		})
	})
}

// old describes the file, and reads it if the request is for that. It returns
// nothing if there is no file.
func (r *request) old(ctx context.Context, at string) (info fs.FileInfo, content []byte, err error) {
	f, err := r.openAt(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, closeUnwritten(f)) }()
	if info, err = f.Stat(); err == nil && r.flag == os.O_RDWR {
		content, err = io.ReadAll(f)
	}
	return info, content, err
}

func (r *request) changeInPlace(ctx context.Context, t func([]byte) ([]byte, error)) error {
	r.flag = os.O_RDWR | os.O_CREATE
	return r.use(ctx, func(f *os.File) error {
		old, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		content, err := t(old)
		if err != nil {
			return err
		}
		return overwrite(f, old, content)
	})
}

// A writer is a file that is changed in place.
type writer interface {
	io.WriterAt
	Truncate(size int64) error
}

// overwrite puts content in the place of old, which is all of f. If it fails it
// tries to put old back.
func overwrite(f writer, old, content []byte) error {
	err := put(f, content, len(old))
	if err == nil {
		return nil
	}
	if errBack := put(f, old, 0); errBack != nil {
		err = errors.Join(err, errBack)
	}
	return err
}

// put has f, of the given size, consist of content. What makes it longer comes
// first: if there is no room for that, nothing has been overwritten.
func put(f writer, content []byte, size int) error {
	if len(content) > size {
		if _, err := f.WriteAt(content[size:], int64(size)); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(content[:min(size, len(content))], 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(content)))
}
