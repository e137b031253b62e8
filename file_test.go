//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
)

// newFile makes a file and opens it.
func newFile(t *testing.T) *os.File {
	f, err := os.Create(lockPath(t))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestNewFileLocksAnOpenFile(t *testing.T) {
	f := newFile(t)
	l := filelock.NewFile(f)
	if l.Path() != f.Name() {
		t.Errorf("the path is %q", l.Path())
	}
	must(t, l.Do(bg, func(ctx context.Context) error {
		for what, other := range map[string]filelock.Locker{
			"the same file":       filelock.NewFile(f),
			"the path":            filelock.New(f.Name()),
			"the file, once more": filelock.NewFile(reopen(t, f)),
		} {
			if _, err := other.TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("by %s: %v", what, err)
			}
		}
		must(t, filelock.NewFile(f).Do(ctx, func(context.Context) error { return nil })) // nests
		_, err := filelock.New(f.Name()).Acquire(ctx)
		if runtime.GOOS == "linux" {
			want(t, err, filelock.ErrDeadlock)
		}
		return nil
	}))
	if _, err := f.WriteString("still open"); err != nil {
		t.Errorf("the caller's file: %v", err)
	}
}

func reopen(t *testing.T, f *os.File) *os.File {
	g, err := os.OpenFile(f.Name(), os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { g.Close() })
	return g
}

// TestClosedFileStaysLocked has the caller close a file that is locked.
// TestLaw11FailedAcquisitionUnlocksTheCallersFile: closing the library's own
// descriptor would not, as the caller's is of the same open file.
func TestLaw11FailedAcquisitionUnlocksTheCallersFile(t *testing.T) {
	path := lockPath(t)
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	broken := errors.New("broken")
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Write {
			return broken
		}
		return nil
	}})
	_, err = filelock.NewFile(f, filelock.WithContent("{pid}")).TryAcquire(bg)
	remove()
	want(t, err, broken)
	h, err := filelock.New(path).TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
}

// TestLaw11HalfOfAContentIsTakenBack has a file be longer than its new content.
func TestLaw11HalfOfAContentIsTakenBack(t *testing.T) {
	path := lockPath(t)
	write(t, path, strings.Repeat("old ", 10))
	broken := errors.New("broken")
	failed := false
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Truncate && !failed {
			failed = true
			return broken
		}
		return nil
	}})
	_, err := filelock.New(path, filelock.WithContent("new")).TryAcquire(bg)
	remove()
	want(t, err, broken)
	if content, err := os.ReadFile(path); err != nil || len(content) > 0 {
		t.Errorf("the file says %q, %v", content, err)
	}
}

func TestClosedFileStaysLocked(t *testing.T) {
	f := newFile(t)
	l := filelock.NewFile(f)
	h, err := l.Acquire(bg)
	must(t, err)
	must(t, f.Close())
	_, err = filelock.New(f.Name()).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if owned := filelock.WithOwner(h.Context(), nil); !l.Held() || l.Depth(h.Context()) != 1 || l.Depth(owned) != 0 {
		t.Errorf("held %v, depth %d and %d", l.Held(), l.Depth(h.Context()), l.Depth(owned))
	}
	must(t, h.Release())
	h, err = filelock.New(f.Name()).TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
	_, err = l.TryAcquire(bg)
	want(t, err, os.ErrClosed)
}

// TestClosedFileIsNoOther: the number of a file that is gone is used again.
func TestClosedFileIsNoOther(t *testing.T) {
	f := newFile(t)
	l := filelock.NewFile(f)
	must(t, l.Do(bg, func(context.Context) error { return nil }))
	must(t, f.Close())
	must(t, os.Remove(f.Name()))
	must(t, filelock.NewFile(newFile(t)).Do(bg, func(ctx context.Context) error {
		_, err := l.TryAcquire(ctx)
		want(t, err, os.ErrClosed)
		if l.Depth(ctx) != 0 {
			t.Error("another file counts")
		}
		return nil
	}))
}

func TestNewFileRefusesNonsense(t *testing.T) {
	f := newFile(t)
	appending, err := os.OpenFile(f.Name(), os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	defer appending.Close()
	must(t, filelock.NewFile(appending).Do(bg, func(context.Context) error { return nil }))
	for what, l := range map[string]*filelock.FileLock{
		"nil":                 filelock.NewFile(nil),
		"WithRemove":          filelock.NewFile(f, filelock.WithRemove()),
		"WithMode":            filelock.NewFile(f, filelock.WithMode(0o600)),
		"WithParents":         filelock.NewFile(f, filelock.WithParents(0o700)),
		"a file that appends": filelock.NewFile(appending, filelock.WithContent(" {pid}\n")),
	} {
		if _, err := l.Acquire(bg); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := filelock.NewSoft(f.Name(), filelock.WithRecordLocks()).Acquire(bg); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a soft lock with record locks: %v", err)
	}
}

func TestPathsThatNoSystemTakes(t *testing.T) {
	for _, path := range []string{"", "a\x00b"} {
		for _, l := range []filelock.Locker{filelock.New(path), filelock.NewSoft(path)} {
			_, err := l.Acquire(bg)
			want(t, err, fs.ErrInvalid)
		}
	}
}

// TestRemoveSparesADirectory: it is there for other reasons.
func TestRemoveSparesADirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories cannot be locked on Windows")
	}
	dir := t.TempDir()
	must(t, filelock.New(dir, filelock.WithRemove()).Do(bg, func(context.Context) error { return nil }))
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}

func TestHoldFileIsADuplicate(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	f := h.File()
	if f == nil || h.File() != f {
		t.Fatalf("the files are %v and %v", f, h.File())
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	must(t, f.Close()) // harmless
	_, err = filelock.New(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if err := h.Release(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if h.File() != nil {
		t.Error("there is a file after the end")
	}
	again, err := filelock.New(path).TryAcquire(bg)
	must(t, err)
	must(t, again.Release())
}

func TestCollectedFileKeepsTheLock(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	h.File()
	for range 3 {
		runtime.GC()
	}
	p := flockKind.Elsewhere(t, path+"2")
	p.Kill()
	_, err = filelock.New(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	must(t, h.Release())
}

func TestContentNamesTheHolder(t *testing.T) {
	path := lockPath(t)
	l := filelock.New(path, filelock.WithContent(" {pid}|{hostname}|{owner}|{since}|{command}\n"))
	write(t, path, strings.Repeat("a longer content than the new one ", 100))
	ctx := filelock.WithOwner(bg, filelock.NewOwner("nightly"))
	h, err := l.Acquire(ctx)
	must(t, err)
	if runtime.GOOS != "windows" { // the first byte is locked there
		content, err := os.ReadFile(path)
		must(t, err)
		host, err := os.Hostname()
		must(t, err)
		if want := fmt.Sprintf(" %d|%s|nightly|", os.Getpid(), host); !strings.HasPrefix(string(content), want) || !strings.HasSuffix(string(content), "\n") {
			t.Errorf("the content is %q", content)
		}
	}
	must(t, h.Release())
	s, err := l.Inspect(bg)
	if runtime.GOOS == "linux" && (err != nil || s.Held || len(s.Holders) > 0) {
		t.Errorf("nobody has it, but the content names one: %+v, %v", s, err)
	}
	// Nobody writes it who shares the lock.
	must(t, os.Truncate(path, 0))
	must(t, l.Do(ctx, func(context.Context) error { return nil }, filelock.Shared()))
	if fi, err := os.Stat(path); err != nil || fi.Size() != 0 {
		t.Errorf("who shares the lock has written %d bytes, %v", fi.Size(), err)
	}
}

func TestContentOfADirectoryIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories cannot be locked on Windows")
	}
	dir := t.TempDir()
	_, err := filelock.New(dir, filelock.WithContent("x")).Acquire(bg)
	want(t, err, fs.ErrInvalid)
	h, err := filelock.New(dir).TryAcquire(bg)
	must(t, err)
	must(t, h.Release())
}

// TestLaw07RemoveSparesAnotherFile has the file replaced while it is locked.
func TestLaw07RemoveSparesAnotherFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be replaced under wine")
	}
	path := lockPath(t)
	must(t, filelock.New(path, filelock.WithRemove()).Do(bg, func(context.Context) error {
		write(t, path+"2", "another")
		return os.Rename(path+"2", path)
	}))
	if content, err := os.ReadFile(path); err != nil || string(content) != "another" {
		t.Errorf("the other file says %q, %v", content, err)
	}
}

func TestRemoveWaitsForThoseWhoShare(t *testing.T) {
	path := lockPath(t)
	l := filelock.New(path, filelock.WithRemove())
	p := flockKind.Elsewhere(t, path, "shared")
	must(t, l.Do(bg, func(context.Context) error { return nil }, filelock.Shared()))
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the file is gone, though somebody shares the lock: %v", err)
	}
	p.Kill()
	must(t, l.Do(bg, func(context.Context) error { return nil }, filelock.Shared()))
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

// TestAThousandWaiters has all of them wait in one process, and get the lock.
func TestAThousandWaiters(t *testing.T) {
	l := filelock.New(lockPath(t))
	h, err := l.Acquire(bg)
	must(t, err)
	const n = 1000
	done := make(chan error, n)
	for range n {
		go func() { done <- l.Do(bg, func(context.Context) error { return nil }) }()
	}
	must(t, h.Release())
	for range n {
		must(t, <-done)
	}
}

// TestWaitersLeaveFromAnywhere cancels waiters at all places of the queue.
func TestWaitersLeaveFromAnywhere(t *testing.T) {
	l := filelock.New(lockPath(t))
	h, err := l.Acquire(bg)
	must(t, err)
	const n = 100
	cancelled, done := make(chan error, n), make(chan error, n)
	ctx, cancel := context.WithCancel(bg)
	for i := range n {
		if i%2 == 0 {
			go func() { _, err := l.Acquire(ctx); cancelled <- err }()
		} else {
			go func() { done <- l.Do(bg, func(context.Context) error { return nil }) }()
		}
	}
	cancel()
	for range n / 2 {
		want(t, <-cancelled, context.Canceled)
	}
	must(t, h.Release())
	for range n / 2 {
		must(t, <-done)
	}
}
