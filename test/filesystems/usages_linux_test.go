package filesystems

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

// A usage is a way to use a lock.
type usage struct {
	name   string
	there  bool // its file is there before
	shared bool
	proof  bool // of a dead holder: it is had at once, or never
	take   func(ctx context.Context, path string, opts ...filelock.AcquireOption) (release func() error, err error)
}

// usages are the rows of the tables.
var usages = []usage{
	{name: "`New`", take: takes(kindNamed("flock"))},
	{name: "`WithRecordLocks`", take: takes(kindNamed("record"))},
	{name: "`lockedfile`", take: edit},
	{name: "`NewSoft`", proof: true, take: takes(kindNamed("soft"))},
	{name: "`marker`: link", proof: true, take: takes(kindNamed("link"))},
	{name: "`marker`: directory", proof: true, take: takes(kindNamed("mkdir"))},
	{name: "`marker`: symbolic link", proof: true, take: takes(kindNamed("symlink"))},
	{name: "`marker`: PID", proof: true, take: takes(kindNamed("pid"))},
	{name: "`lease`", take: takes(kindNamed("lease"))},
	{name: "`New`, file is there", there: true, take: takes(kindNamed("flock"))},
	{name: "`New`, shared, file is there", there: true, shared: true, take: takes(kindNamed("flock"), filelock.Shared())},
	{name: "`New` `WithContent`, file is there", there: true, take: takes(contentKind)},
	{name: "`WithRecordLocks`, file is there", there: true, take: takes(kindNamed("record"))},
	{name: "`WithRecordLocks`, shared, file is there", there: true, shared: true, take: takes(kindNamed("record"), filelock.Shared())},
	{name: "`lockedfile.Edit`, files are there", there: true, take: edit},
	{name: "`lockedfile.Open`, files are there", there: true, shared: true, take: open},
}

var contentKind = systemKind("content", filelock.WithContent("{pid}\n"))

func kindNamed(name string) locktest.Kind {
	for _, k := range kinds {
		if k.Name == name {
			return k
		}
	}
	panic("no kind " + name)
}

func takes(k locktest.Kind, always ...filelock.AcquireOption) func(context.Context, string, ...filelock.AcquireOption) (func() error, error) {
	return func(ctx context.Context, path string, opts ...filelock.AcquireOption) (func() error, error) {
		h, err := k.New(path).Acquire(ctx, append(always[:len(always):len(always)], opts...)...)
		if err != nil {
			return nil, err
		}
		return h.Release, nil
	}
}

func edit(ctx context.Context, path string, opts ...filelock.AcquireOption) (func() error, error) {
	return opened(lockedfile.Edit(ctx, path, fileOptions(opts)...))
}

func open(ctx context.Context, path string, opts ...filelock.AcquireOption) (func() error, error) {
	return opened(lockedfile.Open(ctx, path, fileOptions(opts)...))
}

func opened(f *lockedfile.File, err error) (func() error, error) {
	if err != nil {
		return nil, err
	}
	return f.Close, nil
}

func fileOptions(opts []filelock.AcquireOption) (all []filelock.FileOption) {
	for _, o := range opts {
		all = append(all, o)
	}
	return all
}

// path returns the path of the lock in a directory: another one for each usage.
func (u usage) path(dir string) string {
	return filepath.Join(dir, strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, u.name))
}

// prepare puts there what has to be there before.
func (u usage) prepare(t testing.TB, dir string) {
	if u.there {
		write(t, u.path(dir), "")
		write(t, u.path(dir)+".lock", "") // lockedfile's
	}
}

func init() { roles["use"] = use }

// use is a process that takes a lock when it is told to, says what has come of
// it, and keeps it. Its arguments are the usage and the path.
func use(args []string) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		for _, u := range usages {
			if u.name == args[0] {
				_, err := u.take(context.Background(), args[1], filelock.NonBlocking())
				fmt.Println(outcome(err))
			}
		}
	}
	return nil
}

// outcome names what an attempt has come to.
func outcome(err error) string {
	var errno unix.Errno
	switch {
	case err == nil:
		return "held"
	case errors.Is(err, filelock.ErrLocked):
		return "locked"
	case errors.Is(err, filelock.ErrUnsupported):
		return "not supported"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// What can come of a lock that two processes want.
const (
	excludes = "excludes"
	outlives = "excludes, stays"
	shares   = "shares"
	fails    = "DOES NOT EXCLUDE"
)

// measure finds out what a usage is good for in a directory: one of these, or
// the system's error.
func (u usage) measure(t testing.TB, dir string) string {
	return u.measureWith(t, dir, func() *testproc.Proc { return testproc.Start(t, "use", u.name, u.path(dir)) })
}

// measureWith is measure with another process that is started in another way.
func (u usage) measureWith(t testing.TB, dir string, other func() *testproc.Proc) string {
	path := u.path(dir)
	if got := u.attempt(t, dir); got != "held" {
		return got
	}
	p := other()
	p.Say("take")
	p.Expect("held")
	release, err := u.take(t.Context(), path, filelock.NonBlocking())
	switch {
	case err == nil && u.shared:
		must(t, release())
		return shares
	case err == nil:
		must(t, release())
		return fails
	case !errors.Is(err, filelock.ErrLocked):
		t.Errorf("%s: of a held lock: %v", u.name, err)
	}
	p.Kill()
	return u.afterKill(t, path)
}

// afterKill finds out whether the lock of a process that has been killed can be
// had.
func (u usage) afterKill(t testing.TB, path string) string {
	patience := filelock.WithTimeout(30 * time.Second)
	if u.proof {
		patience = filelock.NonBlocking()
	}
	release, err := u.take(t.Context(), path, patience)
	if u.proof && errors.Is(err, filelock.ErrLocked) {
		return outlives
	}
	must(t, err)
	must(t, release())
	return excludes
}

// attempt takes the lock and gives it back. If it cannot be had, that is an error
// that says why, and nothing is left of it.
func (u usage) attempt(t testing.TB, dir string) string {
	path := u.path(dir)
	before := list(t, dir)
	release, err := u.take(t.Context(), path, filelock.NonBlocking())
	if err == nil {
		must(t, release())
		return "held"
	}
	got := outcome(err)
	if !strings.Contains(err.Error(), path) {
		t.Errorf("%s: the error does not name %s: %v", u.name, path, err)
	}
	lockErr, pathErr := new(filelock.LockError), new(os.PathError)
	if !errors.As(err, &lockErr) && !errors.As(err, &pathErr) {
		t.Errorf("%s: an error of another type: %T: %v", u.name, err, err)
	}
	if after := list(t, dir); after != before {
		t.Errorf("%s: %s leaves %q; before there were %q", u.name, got, after, before)
	}
	return got
}

// list lists the files in a directory.
func list(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
