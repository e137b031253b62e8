package strace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/lockedfile"
	"github.com/gofilelock/filelock/marker"
)

var bg = context.Background()

// A subject is something that is done with a lock, call by call.
type subject struct {
	name   string
	kind   locktest.Kind
	before func(t testing.TB, s subject, path string) // what the process finds
	times  int                                        // it has had the lock before
	cold   bool                                       // it knows nothing of itself yet
	// ready prepares for do, which is what the walk goes through.
	ready func(k locktest.Kind, path string) (do func(work func() error) error, err error)
	check func(path string) error // what is true whatever happens
	// leaves says how many files of which names a process may leave that is
	// killed.
	leaves map[string]int
	// nameless: it may leave what says nothing of whom it is.
	nameless bool
	control  bool // it is wrong on purpose
}

var (
	flockKind  = fileKind("flock")
	recordKind = fileKind("record", filelock.WithRecordLocks())
	removeKind = fileKind("remove", filelock.WithRemove())
	sharedKind = fileKind("shared", filelock.Shared())
	// writesKind has all options that touch the file.
	writesKind = fileKind("content", filelock.WithContent(" {pid}\n"), filelock.WithMode(0o640))
	softKind   = locktest.Kind{
		Name: "soft",
		New:  func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.NewSoft(path, opts...) },
	}
	leaseKind = locktest.Kind{
		Name: "lease",
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return lease.New(path, lease.Config{Host: "here.example", Fencing: true}, locktest.Options(opts)...)
		},
	}
)

func fileKind(name string, set ...filelock.FileOption) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.New(path, append(set[:len(set):len(set)], opts...)...)
		},
	}
}

// markers are the kinds of package marker.
var markers = map[string]func(string, marker.Config, ...filelock.Option) *marker.Lock{
	"link": marker.NewLink, "mkdir": marker.NewMkdir, "symlink": marker.NewSymlink, "pid": marker.NewPID,
}

func markerKind(name string, c marker.Config) locktest.Kind {
	k := locktest.Kind{
		Name:     name,
		Outlives: !c.BreakStale,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			// The marker stands at path for all kinds but one, which adds to it.
			if name != "pid" {
				path = strings.TrimSuffix(path, ".lock")
			}
			return markers[name](path, c, locktest.Options(opts)...)
		},
	}
	return k
}

func strict(name string) locktest.Kind { return markerKind(name, marker.Config{}) }

// clearing is a kind that breaks the markers of the dead by itself.
func clearing(name string) locktest.Kind {
	k := markerKind(name, marker.Config{BreakStale: true})
	k.Name += " clearing"
	return k
}

var (
	lockFile = map[string]int{"x.lock": 1}
	// Of soft locks a claim may stay, and of links and leases one's own and that
	// of the dead.
	claims      = map[string]int{"x.lock.*.claim": 1}
	links       = map[string]int{"*.*-*": 2}
	leaseClaims = map[string]int{"x.lock.token": 1, "x.lock|*": 2}
)

// subjects are what the tests walk through.
var subjects = []subject{
	{name: "flock", kind: flockKind, leaves: lockFile},
	{name: "flock that exists", kind: flockKind, before: touch, leaves: lockFile},
	{name: "flock of a directory", kind: flockKind, before: mkdir, leaves: lockFile},
	{name: "flock again", kind: flockKind, times: 2, leaves: lockFile},
	{name: "shared flock", kind: sharedKind, leaves: lockFile},
	{name: "record lock", kind: recordKind, leaves: lockFile},
	{name: "content", kind: writesKind, before: fill, leaves: lockFile},
	{name: "remove", kind: removeKind},
	{name: "soft", kind: softKind, leaves: claims},
	{name: "soft, for the first time", kind: softKind, cold: true, leaves: claims},
	{name: "soft, for the second time", kind: softKind, times: 1, leaves: claims},
	{name: "soft again", kind: softKind, times: 2, leaves: claims},
	{name: "soft after the dead", kind: softKind, before: leaveDead, leaves: claims},
	{name: "break soft", kind: softKind, before: leaveDead, ready: breaking, leaves: claims},
	{name: "link", kind: strict("link"), leaves: links},
	{name: "link after the dead", kind: clearing("link"), before: leaveDead, leaves: links},
	{name: "break link", kind: strict("link"), before: leaveDead, ready: breaking, leaves: links},
	{name: "mkdir", kind: strict("mkdir")},
	{name: "mkdir after the dead", kind: clearing("mkdir"), before: leaveDead, nameless: true},
	{name: "break mkdir", kind: strict("mkdir"), before: leaveDead, ready: breaking},
	{name: "symlink", kind: strict("symlink")},
	{name: "symlink after the dead", kind: clearing("symlink"), before: leaveDead},
	{name: "break symlink", kind: strict("symlink"), before: leaveDead, ready: breaking},
	{name: "pid", kind: strict("pid")},
	{name: "pid after the dead", kind: clearing("pid"), before: leaveDead, nameless: true},
	{name: "break pid", kind: strict("pid"), before: leaveDead, ready: breaking},
	{name: "lease", kind: leaseKind, leaves: leaseClaims},
	{name: "lease after one that has ended", kind: leaseKind, before: leaveEnded, leaves: leaseClaims},
	{name: "break lease", kind: leaseKind, before: leaveDead, ready: breaking, leaves: leaseClaims},
	{name: "Write", kind: flockKind, before: leaveOld, ready: writing, check: whole, leaves: dataFiles},
	{name: "Transform", kind: flockKind, before: leaveOld, ready: transforming, check: whole, leaves: dataFiles},
}

func subjectNamed(name string) subject {
	for _, s := range append(subjects, controls...) {
		if s.name == name {
			return s
		}
	}
	panic("no subject " + name)
}

func init() {
	for _, s := range append(subjects, controls...) {
		maps.Copy(roles, locktest.Roles(s.kind))
	}
	roles["using"] = using
}

// using is a process that does what is walked through, for the subject and the
// path that are its arguments, and "count" perhaps for work to be done meanwhile.
func using(args []string) error {
	s, path := subjectNamed(args[0]), args[1]
	work := func() error { return nil }
	if len(args) > 2 {
		waits = true
		scene := locktest.Scene{Dir: filepath.Dir(path)}
		log, err := os.OpenFile(filepath.Join(scene.Dir, "log.using"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return err
		}
		work = func() error { return scene.Count(log) }
	}
	fmt.Println(os.Getpid())
	do, err := s.prepare(path)
	if err != nil {
		return err
	}
	mark(acquiring)
	err = do(work)
	mark(over)
	err = errors.Join(err, filelock.ReleaseAll()) // what is kept goes with it
	if errors.Is(err, filelock.ErrLocked) {
		fmt.Println("locked")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// prepare brings the process to where the walk begins.
func (s subject) prepare(path string) (do func(work func() error) error, err error) {
	if !s.cold {
		if err := s.warmUp(); err != nil {
			return nil, err
		}
	}
	for range s.times {
		if err := s.kind.New(path).Do(bg, func(context.Context) error { return nil }); err != nil {
			return nil, err
		}
	}
	if s.ready == nil {
		s.ready = locking
	}
	return s.ready(s.kind, path)
}

// warmUp has the process find out about itself, which it does once, with another
// lock.
func (s subject) warmUp() error {
	dir, err := os.MkdirTemp("", "filelock-warm")
	if err != nil {
		return err
	}
	err = s.kind.New(filepath.Join(dir, "x.lock")).Do(bg, func(context.Context) error { return nil })
	return errors.Join(err, os.RemoveAll(dir))
}

var (
	lastHold *filelock.Hold // of this process
	waits    bool           // until it has the lock
)

func locking(k locktest.Kind, path string) (func(func() error) error, error) {
	l := k.New(path)
	return func(work func() error) error {
		h, err := l.Acquire(bg, filelock.WithTimeout(map[bool]time.Duration{true: patience}[waits]))
		if err != nil {
			return err
		}
		mark(holding)
		err = work()
		lastHold = h
		mark(releasing)
		return errors.Join(err, h.Release())
	}, nil
}

// breaking breaks the hold that there was before the walk begins.
func breaking(k locktest.Kind, path string) (func(func() error) error, error) {
	l := k.New(path)
	s, err := l.Inspect(bg)
	if err == nil && !s.Held {
		err = errors.New("there is nothing to break")
	}
	return func(func() error) error {
		if err := l.Break(bg, s); !errors.Is(err, filelock.ErrLost) {
			return err
		}
		return filelock.ErrLocked // by somebody else since
	}, err
}

// The file of lockedfile whose lock is at path.
func dataOf(path string) string { return strings.TrimSuffix(path, ".lock") }

const (
	oldContent = "the old content"
	newContent = "the new content, which is longer"
)

var dataFiles = map[string]int{"x": 1, "x.lock": 1, "x.lock.new": 1}

func writing(_ locktest.Kind, path string) (func(func() error) error, error) {
	return func(func() error) error {
		return lockedfile.Write(bg, dataOf(path), strings.NewReader(newContent), 0o666, filelock.NonBlocking())
	}, nil
}

func transforming(_ locktest.Kind, path string) (func(func() error) error, error) {
	return func(work func() error) error {
		return lockedfile.Transform(bg, dataOf(path), func(old []byte) ([]byte, error) {
			mark(holding)
			err := work()
			mark(releasing)
			return []byte(newContent), err
		}, filelock.NonBlocking())
	}, nil
}

// whole makes sure that the content is the old one or the new one.
func whole(path string) error {
	b, err := os.ReadFile(dataOf(path))
	if err == nil && string(b) != oldContent && string(b) != newContent {
		err = fmt.Errorf("the content is %q", b)
	}
	return err
}

func touch(t testing.TB, _ subject, path string) { write(t, path, "") }
func fill(t testing.TB, _ subject, path string) {
	write(t, path, "something much longer than a number")
}
func leaveOld(t testing.TB, _ subject, path string) { write(t, dataOf(path), oldContent) }
func mkdir(t testing.TB, _ subject, path string)    { must(t, os.Mkdir(path, 0o777)) }

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

// leaveDead has the lock held by a process that has been killed.
func leaveDead(t testing.TB, s subject, path string) {
	t.Helper()
	s.kind.Elsewhere(t, path).Kill()
}

func leaveEnded(t testing.TB, s subject, path string) {
	t.Helper()
	leaveDead(t, s, path)
	must(t, age(path))
}

// age has the lease at path end long ago, if there is one, so that nobody has to
// wait for that.
func age(path string) error {
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// start returns the path of a lock that a process may come upon.
func (s subject) start(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.lock")
	if s.before != nil {
		s.before(t, s, path)
	}
	return path
}

// takeOver makes sure that what is always true is true, and that the lock can be had after a process was killed: at
// once, or when its lease has ended; or after the hold that Inspect shows has
// been broken, if it is one that stays.
func (s subject) takeOver(t testing.TB, path string) error {
	t.Helper()
	if s.check != nil {
		if err := s.check(path); err != nil {
			return err
		}
	}
	l := s.kind.New(path)
	switch {
	case s.kind.Name == leaseKind.Name:
		must(t, age(path))
	case s.kind.Outlives:
		if err := breakIf(l, func(filelock.State) bool { return true }); err != nil {
			return err
		}
	case s.nameless: // an empty directory or file may stand for somebody alive
		if err := breakIf(l, func(state filelock.State) bool { return state.Holders[0].PID == 0 }); err != nil {
			return err
		}
	}
	for range 3 { // the last two of which tidy up
		h, err := l.TryAcquire(bg)
		if err != nil {
			return err
		}
		if err := h.Release(); err != nil {
			return err
		}
	}
	return nil
}

// breakIf breaks the hold that Inspect shows, if it is one to break.
func breakIf(l locktest.Lock, ok func(filelock.State) bool) error {
	state, err := l.Inspect(bg)
	if err != nil || !state.Held || !ok(state) {
		return err
	}
	if err := l.Break(bg, state); err != nil {
		return fmt.Errorf("%+v: %w", state, err)
	}
	return nil
}

// wantFiles makes sure that there are no files but such as may be left, in a
// moment: what is kept of a lock goes when it has been idle.
func wantFiles(t testing.TB, path string, may map[string]int) error {
	t.Helper()
	var err error
	for end := time.Now().Add(patience / 4); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = excess(t, path, may); err == nil {
			return nil
		}
	}
	return err
}

func excess(t testing.TB, path string, may map[string]int) error {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	count := map[string]int{}
	for _, e := range entries {
		pattern := e.Name()
		for p := range may {
			if ok, _ := filepath.Match(p, e.Name()); ok {
				pattern = p
			}
		}
		if count[pattern]++; count[pattern] > may[pattern] {
			return fmt.Errorf("%s is left, among %v", e.Name(), entries)
		}
	}
	return nil
}
