package soak

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/lockedfile"
	"github.com/gofilelock/filelock/marker"
)

// A place is where one kind of lock is used.
type place struct {
	name  string
	scene locktest.Scene
	notes *os.File

	lock   func(path string) locktest.Lock // nil where there are only files to edit
	edit   func(context.Context, *place, ...filelock.FileOption) error
	shares bool
	ends   bool // a hold of it ends by time
}

// short is a lease that ends while its holder is stopped.
var short = lease.Config{Lifetime: time.Second, Slop: 200 * time.Millisecond, Fencing: true}

// breaking has the markers of the dead removed by whoever comes next.
var breaking = marker.Config{BreakStale: true}

var kinds = []place{
	{name: "flock", shares: true, lock: func(path string) locktest.Lock { return filelock.New(path) }},
	{name: "record", shares: true, lock: func(path string) locktest.Lock { return filelock.New(path, filelock.WithRecordLocks()) }},
	{name: "content", shares: true, lock: func(path string) locktest.Lock {
		return filelock.New(path, filelock.WithContent("{pid} {owner}\n"))
	}},
	{name: "remove", shares: true, lock: func(path string) locktest.Lock { return filelock.New(path, filelock.WithRemove()) }},
	{name: "soft", lock: func(path string) locktest.Lock { return filelock.NewSoft(path) }},
	{name: "link", lock: func(path string) locktest.Lock { return marker.NewLink(path, breaking) }},
	{name: "mkdir", lock: func(path string) locktest.Lock { return marker.NewMkdir(path, breaking) }},
	{name: "symlink", lock: func(path string) locktest.Lock { return marker.NewSymlink(path, breaking) }},
	{name: "pid", lock: func(path string) locktest.Lock { return marker.NewPID(path, breaking) }},
	{name: "lease", ends: true, lock: func(path string) locktest.Lock { return lease.New(path, short) }},
	{name: "transform", edit: transform},
	{name: "itself", edit: itself},
}

// in returns the place of a kind in a directory for all of them.
func (p place) in(dir string) *place {
	p.scene = locktest.Scene{Dir: filepath.Join(dir, p.name)}
	return &p
}

// errBroken is what no lock may ever come to.
var errBroken = errors.New("broken")

func broken(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

func (p *place) count(context.Context) error { return broken(p.scene.Count(p.notes)) }
func (p *place) look(context.Context) error  { return broken(p.scene.Look()) }

// expected reports whether an acquisition may end so, or a hold.
func (p *place) expected(ctx context.Context, err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, errBroken):
		return false
	case errors.Is(err, filelock.ErrLocked), ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return true
	}
	// A process that was stopped between two looks at the time.
	return p.ends && (errors.Is(err, filelock.ErrLost) || errors.Is(err, lease.ErrSkew))
}

// fenced counts as the holder with a fencing token, unless there has been one
// with a higher token. It reports whether it has counted.
func (p *place) fenced(token uint64) (counted bool, err error) {
	f, err := os.OpenFile(filepath.Join(p.scene.Dir, "fence"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return false, err
	}
	var b [8]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && err != io.EOF {
		return false, err
	}
	switch highest := binary.BigEndian.Uint64(b[:]); {
	case token == highest:
		return false, fmt.Errorf("two have the token %d", token)
	case token < highest:
		return false, nil
	}
	binary.BigEndian.PutUint64(b[:], token)
	if _, err := f.WriteAt(b[:], 0); err != nil {
		return false, err
	}
	return true, p.scene.Count(p.notes)
}

// A page is what is in a file that is edited: one number, again and again.
func page(n int) []byte {
	var b []byte
	for range 40 {
		b = fmt.Appendf(b, "%08d\n", n)
	}
	return b
}

// next returns what comes after a page, and fails if it is not a whole one.
func next(old []byte) ([]byte, error) {
	n := 0
	if len(old) > 0 {
		if _, err := fmt.Sscanf(string(old), "%d", &n); err != nil || string(page(n)) != string(old) {
			return nil, broken(fmt.Errorf("the page is %q", old))
		}
	}
	return page((n + 1) % 100_000_000), nil
}

func (p *place) page() string { return filepath.Join(p.scene.Dir, "page") }

// read reads the page.
func (p *place) read(ctx context.Context, opts ...filelock.FileOption) error {
	if p.name == "itself" {
		opts = append(opts, lockedfile.Itself())
	}
	text, err := lockedfile.Read(ctx, p.page(), opts...)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = next(text)
	}
	return err
}

// transform puts the next page in the place of the last.
func transform(ctx context.Context, p *place, opts ...filelock.FileOption) error {
	return lockedfile.Transform(ctx, p.page(), func(old []byte) ([]byte, error) {
		if err := p.count(ctx); err != nil {
			return nil, err
		}
		return next(old)
	}, opts...)
}

// itself writes the next page over the last, in the file that is locked.
func itself(ctx context.Context, p *place, opts ...filelock.FileOption) error {
	f, err := lockedfile.Edit(ctx, p.page(), append(opts, lockedfile.Itself())...)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.count(ctx); err != nil {
		return err
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return broken(err)
	}
	text, err := next(old)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	return broken(err)
}
