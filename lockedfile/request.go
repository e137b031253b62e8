package lockedfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// suffix is what a lock's path has beyond that of its file.
const suffix = ".lock"

// A request says which file is wanted, and how.
type request struct {
	path   string
	flag   int
	perm   fs.FileMode
	makes  bool // the file, if there is none
	calls  bool // a function of the caller's, under the lock
	itself bool // is what is locked
	opts   []filelock.FileOption
}

func newRequest(path string, flag int, perm fs.FileMode, opts []filelock.FileOption) (*request, error) {
	r := &request{path: path, flag: flag, perm: perm}
	for _, o := range opts {
		if _, ok := o.(itself); ok {
			r.itself = true
		} else {
			r.opts = append(r.opts, o)
		}
	}
	return r, r.check()
}

// check reports what makes no sense.
func (r *request) check() error {
	switch {
	case r.path == "":
		return r.invalid("there is no path")
	case strings.ContainsRune(r.path, 0):
		return r.invalid("the path holds a NUL byte")
	case os.IsPathSeparator(r.path[len(r.path)-1]):
		return r.invalid("the path ends as that of a directory")
	case r.flag&os.O_TRUNC != 0 && !r.writes():
		return r.invalid("O_TRUNC needs O_WRONLY or O_RDWR")
	case r.perm&^fs.ModePerm != 0:
		return r.invalid(fmt.Sprintf("mode %v has more than permissions", r.perm))
	}
	for _, o := range r.opts {
		if _, ok := o.(filelock.Option); r.itself && !ok {
			return r.invalid("options of a lock file are of no use with Itself")
		}
	}
	return nil
}

func (r *request) invalid(why string) error {
	return &fs.PathError{Op: "open", Path: r.path, Err: fmt.Errorf("%w: %s", fs.ErrInvalid, why)}
}

func (r *request) writes() bool { return r.flag&(os.O_WRONLY|os.O_RDWR) != 0 }

func (r *request) mode() filelock.AcquireOption {
	if r.writes() {
		return filelock.Exclusive()
	}
	return filelock.Shared()
}

func (r *request) open(ctx context.Context) (f *File, err error) {
	attempt := r.openBeside
	if r.itself {
		attempt = r.openItself
	}
	err = r.persist(func() error {
		f, err = attempt(ctx)
		return err
	})
	return f, err
}

// errMoved says that the path does not lead to the file that the lock is of.
var errMoved = errors.New("the file was replaced while it was opened")

// attempts bounds how often in a row something is tried again because the file
// was replaced. After that it counts as locked.
const attempts = 100

// persist does what may fail with errMoved, until it does not. Its own error does
// not match that: do may call somebody's function, which calls this package.
func (r *request) persist(do func() error) error {
	for range attempts {
		if err := do(); !errors.Is(err, errMoved) {
			return err
		}
	}
	return &filelock.LockError{Op: "acquire", Path: r.path, Err: fmt.Errorf("%w: %v", filelock.ErrLocked, errMoved)}
}

// use calls fn with the file, open under its lock.
func (r *request) use(ctx context.Context, fn func(*os.File) error) error {
	attempt := r.useBeside
	if r.itself {
		attempt = r.useItself
	}
	return r.persist(func() error { return attempt(ctx, fn) })
}

// under calls fn while it has the lock. A function of the caller's that fn calls may
// wait for another lock, and knows no context but the caller's: so the owner has this
// one as by an Acquire, of which [filelock.ErrDeadlock] is told.
func (r *request) under(ctx context.Context, lock *filelock.FileLock, fn func(context.Context) error) (err error) {
	if !r.calls {
		return lock.Do(ctx, fn, r.mode())
	}
	hold, err := lock.Acquire(ctx, r.mode())
	if err != nil {
		return err
	}
	defer func() {
		if errLock := hold.Abandon(); errLock != nil {
			err = errors.Join(err, errLock)
		}
	}()
	return fn(hold.Context())
}

// openBeside opens the file under the lock beside it.
func (r *request) openBeside(ctx context.Context) (*File, error) {
	lock, at, err := r.lockBeside()
	if err != nil {
		return nil, err
	}
	hold, err := lock.Acquire(ctx, r.mode())
	if err != nil {
		return nil, err
	}
	f, err := r.openAt(ctx, at)
	if err != nil {
		return nil, errors.Join(err, hold.Abandon())
	}
	return r.begin(&File{osFile: f, hold: hold})
}

func (r *request) useBeside(ctx context.Context, fn func(*os.File) error) error {
	lock, at, err := r.lockBeside()
	if err != nil {
		return err
	}
	return r.under(ctx, lock, func(ctx context.Context) (err error) {
		f, err := r.openAt(ctx, at)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.close(f)) }()
		return fn(f)
	})
}

func (r *request) close(f *os.File) error {
	if r.writes() {
		return f.Close()
	}
	return closeUnwritten(f)
}

// closeUnwritten closes a file that nothing was written to: if that is interrupted
// it is closed, and there is nothing that may not have been stored.
func closeUnwritten(f *os.File) error {
	if err := f.Close(); !errors.Is(err, syscall.EINTR) {
		return err
	}
	return nil
}

// lockBeside returns the lock beside the file, which is at the path that it
// returns: the request's is that of a symbolic link, perhaps.
func (r *request) lockBeside() (lock *filelock.FileLock, at string, err error) {
	if err := r.look(); err != nil {
		return nil, "", err
	}
	if at, err = resolve(r.path); err != nil {
		return nil, "", err
	}
	return filelock.New(at+suffix, r.opts...), at, nil
}

// look finds out before a lock file is made what will not be opened anyway.
func (r *request) look() error {
	info, err := os.Stat(r.path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return &fs.PathError{Op: "open", Path: r.path, Err: sys.Irregular(info.Mode())}
	case r.makes:
		return nil // whatever is wrong, who opens it will say
	}
	return err
}

// resolve returns the path that a symbolic link at path leads to, or path. Links
// that a stranger may have laid are not followed, whatever the system does.
func resolve(path string) (string, error) {
	const most = 255 // the system says that they are too many, sooner than that
	at := path
	for range most {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			break
		}
		if sys.Foreign(at, info) {
			return "", refused(path, "a symbolic link of somebody else's, in a directory that everybody uses")
		}
		target, err := os.Readlink(at)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = address.Beside(at, target)
		}
		at = target
	}
	if at == path {
		return path, nil
	}
	return filepath.EvalSymlinks(path)
}

func refused(path, what string) error {
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%w: %s", fs.ErrPermission, what)}
}

// openAt opens the file, which has to be at the given path. The system is asked
// for the path of the request: it does not follow everybody's links everywhere.
func (r *request) openAt(ctx context.Context, at string) (*os.File, error) {
	f, err := r.openUnleased(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.accept(f, at); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// accept fails with errMoved if the path does not lead to f, and with
// [fs.ErrPermission] if a stranger may have laid f there to be written to.
func (r *request) accept(f *os.File, at string) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(opened, named):
		return errMoved
	case err != nil:
		return err
	case (r.makes || r.flag&os.O_CREATE != 0) && sys.Foreign(at, named):
		return refused(r.path, "a file of somebody else's, in a directory that everybody uses")
	case r.writes() && sys.Shared(at, named):
		return refused(r.path, "a file that has other names, in a directory that everybody uses")
	}
	return nil
}

// leaseTime is how long whoever has a lease of the file, fcntl(2), may take to give
// it back, once the system has asked for that.
const leaseTime = 5 * time.Second

// openUnleased opens what the path of the request leads to. If somebody has a lease
// of it, it counts as locked.
func (r *request) openUnleased(ctx context.Context) (f *os.File, err error) {
	open := func() error {
		f, err = sys.OpenRegular(r.path, r.flag&^os.O_TRUNC, r.perm)
		return err
	}
	if !errors.Is(open(), sys.ErrBusy) {
		return f, err
	}
	limited, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	errWait := wait.New("", 0, 0, nil).Persevere(limited, sys.ErrBusy, open)
	if !errors.Is(err, sys.ErrBusy) {
		return f, err
	}
	return nil, &filelock.LockError{Op: "acquire", Path: r.path, Err: fmt.Errorf("%w: somebody has a lease of the file: %w", filelock.ErrLocked, errWait)}
}

// openFree opens the file without any lock.
func (r *request) openFree(ctx context.Context) (*os.File, error) {
	at, err := resolve(r.path)
	if err != nil {
		return nil, err
	}
	return r.openAt(ctx, at)
}

// openItself opens the file and locks it.
func (r *request) openItself(ctx context.Context) (*File, error) {
	f, err := r.openFree(ctx)
	if err != nil {
		return nil, err
	}
	hold, err := filelock.NewFile(f, r.opts...).Acquire(ctx, r.mode())
	if err != nil {
		return nil, notLocked(f, err)
	}
	if err := r.stillLeads(f); err != nil {
		return nil, errors.Join(err, f.Close(), hold.Abandon())
	}
	return r.begin(&File{osFile: f, hold: hold})
}

func (r *request) useItself(ctx context.Context, fn func(*os.File) error) error {
	f, err := r.openFree(ctx)
	if err != nil {
		return err
	}
	called := false
	err = r.under(ctx, filelock.NewFile(f, r.opts...), func(context.Context) (err error) {
		called = true
		defer func() { err = errors.Join(err, r.close(f)) }()
		if err := r.stillLeads(f); err != nil {
			return err
		}
		return fn(f)
	})
	if !called {
		return notLocked(f, err)
	}
	return err
}

// notLocked closes f, of which the lock is not to be had for the reason err. Who has
// it can be told only as long as f is open.
func notLocked(f *os.File, err error) error {
	if locked := (*filelock.LockError)(nil); errors.As(err, &locked) {
		locked.Holder()
	}
	if errClose := closeUnwritten(f); errClose != nil {
		return errors.Join(err, errClose)
	}
	return err
}

// stillLeads fails with errMoved where the path of the request does not lead to f.
func (r *request) stillLeads(f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if err := r.refresh(f); err != nil {
		return err
	}
	named, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(opened, named) {
		return errMoved
	}
	return err
}

// refresh has a file server asked anew where the path of the request leads, and that
// of a symbolic link there, if f may be on one.
func (r *request) refresh(f *os.File) error {
	info, err := sys.InfoOf(f)
	if err != nil || info.ID.OnDisk() {
		return err
	}
	if err = mark.Refresh(r.path); err == nil {
		var at string
		if at, err = resolve(r.path); err == nil {
			err = mark.Refresh(at)
		}
	}
	if sys.IsGone(err) {
		return errMoved
	}
	return err
}

// begin empties the file if that is wanted.
func (r *request) begin(f *File) (*File, error) {
	if r.flag&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			return nil, errors.Join(err, f.osFile.Close(), f.hold.Abandon())
		}
	}
	return f, nil
}
