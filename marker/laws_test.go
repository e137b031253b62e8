//go:build unix || windows

package marker_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/marker"
)

var must, want = verify.NoError, verify.Is

func trim(s string) string { return strings.TrimSpace(s) }

func lockPath(t testing.TB) string { return filepath.Join(t.TempDir(), "x") }

// files returns the names in a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func hostname(t testing.TB) string {
	host, err := os.Hostname()
	must(t, err)
	return host
}

// TestFormatIsLockfiles compares what stands on disk with what lockfile 0.12.2
// would put there.
func TestFormatIsLockfiles(t *testing.T) {
	unique := regexp.MustCompile(`^` + regexp.QuoteMeta(hostname(t)) + fmt.Sprintf(`-[0-9a-f]{1,16}\.%d-[0-9]+$`, os.Getpid()))
	for _, k := range kinds() {
		path := lockPath(t)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		dir := filepath.Dir(path)
		left := files(t, dir)
		fi, err := os.Lstat(k.LockFile(path))
		must(t, err)
		switch k.Name {
		case "link":
			if len(left) != 2 || !unique.MatchString(left[0]) || left[1] != "x.lock" {
				t.Errorf("link: %q", left)
				break
			}
			other, err := os.Lstat(filepath.Join(dir, left[0]))
			must(t, err)
			if !os.SameFile(fi, other) || !fi.Mode().IsRegular() {
				t.Error("link: two files")
			}
		case "mkdir":
			inside := files(t, filepath.Join(dir, "x.lock"))
			if len(left) != 1 || len(inside) != 1 || !unique.MatchString(inside[0]) {
				t.Errorf("mkdir: %q, %q", left, inside)
			}
		case "symlink":
			to, err := os.Readlink(filepath.Join(dir, "x.lock"))
			if len(left) != 1 || err != nil || !unique.MatchString(to) {
				t.Errorf("symlink: %q, %q, %v", left, to, err)
			}
		case "pid":
			content, err := os.ReadFile(path)
			if len(left) != 1 || err != nil || string(content) != fmt.Sprintf("%d\n", os.Getpid()) {
				t.Errorf("pid: %q, %q, %v", left, content, err)
			}
			if runtime.GOOS != "windows" && fi.Mode().Perm()&^0o644 != 0 {
				t.Errorf("pid: mode %v", fi.Mode())
			}
		}
		must(t, h.Release())
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw02KindsAndSpellingsExclude has all kinds meet at one path, by several
// spellings of it.
func TestLaw02KindsAndSpellingsExclude(t *testing.T) {
	path := lockPath(t)
	dir := filepath.Dir(path)
	for _, a := range kinds() {
		for _, b := range kinds() {
			if (a.Name == "pid") != (b.Name == "pid") {
				continue // another path
			}
			h, err := a.New(path).Acquire(bg)
			must(t, err)
			for _, spelling := range []string{path, dir + "/./x", dir + "//x", dir + "/y/../x", dir + "/x/"} {
				l := b.New(spelling)
				_, err := l.TryAcquire(bg)
				want(t, err, filelock.ErrLocked)
				if l.Depth(h.Context()) != 1 && a.Name == b.Name && a.Name != "pid" {
					// Another lock of one key: the owner nests in it.
					nested, err := l.TryAcquire(h.Context())
					must(t, err)
					must(t, nested.Release())
				}
			}
			must(t, h.Release())
		}
	}
}

// doubtful returns what may stand at a path that no acquisition removes, and
// how it comes there.
func doubtful(t *testing.T) map[string]func(path string) error {
	content := func(s string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(s), 0o666) }
	}
	host := hostname(t)
	dead := deadPID(t)
	m := map[string]func(path string) error{
		"empty":                 content(""),
		"words":                 content("precious data\n"),
		"huge":                  content(strings.Repeat("1", 1<<20)),
		"a negative pid":        content("-5\n"),
		"pid 0":                 content("0\n"),
		"too large a pid":       content("99999999999999999999\n"),
		"half a line":           content(fmt.Sprint(dead)),
		"no number":             content(fmt.Sprintf("%dx\n", dead)),
		"own pid":               content(fmt.Sprintf("%d\n", os.Getpid())),
		"an empty dir":          func(path string) error { return os.Mkdir(path, 0o777) },
		"a full directory":      func(path string) error { return errors.Join(os.Mkdir(path, 0o777), content("")(path+"/data")) },
		"a name from elsewhere": content(fmt.Sprintf("elsewhere-1.%d-5", dead)),
		"a name without a boot": content(fmt.Sprintf("%s-1.%d-5", host, dead)),
		"lockfile's directory": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o777), content("")(fmt.Sprintf("%s/%s.-7f00%d", path, host, dead)))
		},
	}
	if runtime.GOOS != "windows" {
		m["lockfile's symlink"] = func(path string) error { return os.Symlink(fmt.Sprintf("%s-7f00.%d-5", host, dead), path) }
		m["somebody's symlink"] = func(path string) error { return os.Symlink("/etc/passwd", path) }
	}
	return m
}

func deadPID(t *testing.T) int {
	p := linkKind.Elsewhere(t, lockPath(t))
	p.Kill()
	return p.PID()
}

// TestLaw06NothingIsReclaimedOnDoubt has locks that break stale markers meet
// markers that prove nothing.
func TestLaw06NothingIsReclaimedOnDoubt(t *testing.T) {
	long := time.Now().Add(-1000 * time.Hour)
	for what, put := range doubtful(t) {
		for name, make := range constructors {
			path := lockPath(t)
			l := make(path, marker.Config{BreakStale: true}, filelock.WithTimeout(5*time.Millisecond))
			must(t, put(l.LockFile()))
			fi, err := os.Lstat(l.LockFile())
			must(t, err)
			if fi.Mode().IsRegular() {
				must(t, os.Chtimes(l.LockFile(), long, long)) // age proves nothing
			}
			if name == "pid" && !fi.Mode().IsRegular() {
				_, err := l.Acquire(bg)
				want(t, err, fs.ErrInvalid)
				_, err = l.Inspect(bg)
				want(t, err, fs.ErrInvalid)
				continue
			}
			if _, err := l.TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
				t.Fatalf("%s, %s: %v", name, what, err)
			}
			_, err = l.Acquire(bg)
			want(t, err, filelock.ErrTimeout)
			want(t, l.ForceRelease(bg), filelock.ErrNotOwner)
			s, err := l.Inspect(bg)
			if err != nil || !s.Held || s.Stale || len(s.Holders) != 1 {
				t.Errorf("%s, %s: %+v, %v", name, what, s, err)
			}
			after, err := os.Lstat(l.LockFile())
			if err != nil || !os.SameFile(fi, after) || after.Size() != fi.Size() {
				t.Errorf("%s, %s: it has changed: %v", name, what, err)
			}
			err = l.Break(bg, s)
			if strings.HasPrefix(what, "a full") || strings.HasPrefix(what, "somebody's") {
				if err == nil {
					t.Errorf("%s, %s: was removed", name, what)
				}
				continue
			}
			if err != nil { // only when told to
				t.Errorf("%s, %s: %v", name, what, err)
			}
			h, err := l.TryAcquire(bg)
			must(t, err)
			must(t, h.Release())
			if left := files(t, filepath.Dir(path)); len(left) > 0 {
				t.Errorf("%s, %s: %q is left", name, what, left)
			}
		}
	}
}

// TestLaw06DeadHolderIsReclaimedIfAskedFor has the waiting done by itself, too.
func TestLaw06DeadHolderIsReclaimedIfAskedFor(t *testing.T) {
	for _, k := range provable() {
		path, clearing := lockPath(t), clearing(k)
		p := k.Elsewhere(t, path)
		waiting := make(chan struct{})
		careful := k.New(path)
		l := clearing.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting)))
		got := make(chan error, 1)
		go func() {
			h, err := l.Acquire(bg)
			if err == nil {
				err = h.Release()
			}
			got <- err
		}()
		<-waiting
		p.Kill()
		must(t, <-got)

		k.Elsewhere(t, path).Kill()
		_, err := careful.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		s, err := careful.Inspect(bg)
		if err != nil || s.Stale != k.Proves {
			t.Errorf("%s: %+v, %v", k.Name, s, err)
		}
		if s, err := clearing.New(path).Inspect(bg); err != nil || !s.Stale {
			t.Errorf("%s: %+v, %v", k.Name, s, err)
		}
		h, err := clearing.New(path).TryAcquire(bg)
		must(t, err)
		want(t, careful.Break(bg, s), filelock.ErrLost) // has been broken already
		must(t, h.Release())
		if left := files(t, filepath.Dir(path)); len(left) > 0 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw06RemotePIDsProveNothing has a file system say that it is shared.
func TestLaw06RemotePIDsProveNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no file system is known to be of this machine alone")
	}
	path := lockPath(t)
	pidKind.Elsewhere(t, path).Kill()
	l := marker.NewPID(path, marker.Config{BreakStale: true})
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Statfs {
			return errors.New("nobody knows")
		}
		return nil
	}})
	_, err := l.TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	s, err := l.Inspect(bg)
	remove()
	if err != nil || s.Stale {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestLaw07ReleaseSparesASuccessor has a holder's marker replaced by one as like
// it as can be.
func TestLaw07ReleaseSparesASuccessor(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		file := k.LockFile(path)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		switch k.Name {
		case "link", "pid":
			content, err := os.ReadFile(file)
			must(t, err)
			if k.Name == "link" {
				content = append(content, '1')
			}
			// The number differs at least. A file made after the removal may have
			// the same one, on Windows and on a file system that uses them again.
			must(t, os.WriteFile(path+".new", content, 0o666))
			must(t, os.Remove(file))
			must(t, os.Rename(path+".new", file))
		case "mkdir":
			must(t, os.RemoveAll(file))
			must(t, os.Mkdir(file, 0o777))
		case "symlink":
			to, err := os.Readlink(file)
			must(t, err)
			must(t, os.Remove(file))
			must(t, os.Symlink(to+"1", file))
		}
		before, err := os.Lstat(file)
		must(t, err)
		<-h.Context().Done()
		want(t, h.Release(), filelock.ErrLost)
		after, err := os.Lstat(file)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: the successor's marker: %v", k.Name, err)
		}
		if left := files(t, filepath.Dir(path)); len(left) != 1 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw13HolderIsToldOfItsLoss takes the marker away.
func TestLaw13HolderIsToldOfItsLoss(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		must(t, os.RemoveAll(k.LockFile(path)))
		<-h.Lost()
		want(t, h.Release(), filelock.ErrLost)
		if left := files(t, filepath.Dir(path)); len(left) > 0 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw13HoldEndsThoughItsSuccessorIsPrivate: nobody may open the marker that has taken
// the place of ours, as on Windows whoever keeps it to himself has it.
func TestLaw13HoldEndsThoughItsSuccessorIsPrivate(t *testing.T) {
	for _, name := range []string{"link", "pid"} {
		for _, refusal := range []error{fs.ErrPermission, sys.ErrBusy} {
			path, k := lockPath(t), kindNamed(name)
			at := k.LockFile(path)
			h, err := k.New(path).TryAcquire(bg)
			must(t, err)
			must(t, os.WriteFile(at+".new", []byte("another's"), 0o666))
			for os.Remove(at) != nil || os.Rename(at+".new", at) != nil {
				time.Sleep(time.Millisecond) // whoever watches it has it open, on Windows
			}
			stop := fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
				if op == fault.Open && on == at {
					return refusal
				}
				return nil
			}})
			<-h.Lost()
			err = h.Release()
			stop()
			if !errors.Is(err, filelock.ErrLost) {
				t.Errorf("%s, %v: %v", name, refusal, err)
			}
			if content, err := os.ReadFile(at); string(content) != "another's" {
				t.Errorf("%s, %v: there is %q, %v", name, refusal, content, err)
			}
		}
	}
}

// TestLaw24NoTrapIsFollowed has a socket stand there.
func TestLaw24NoTrapIsFollowed(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		trap(t, k.LockFile(path))
		l := k.New(path)
		_, err := l.Acquire(bg)
		want(t, err, fs.ErrInvalid)
		_, err = l.Inspect(bg)
		want(t, err, fs.ErrInvalid)
		if errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: a trap is called locked", k.Name)
		}
	}
}

func TestPathsThatMakeNoSense(t *testing.T) {
	for _, path := range []string{"", ".", "..", "x/..", "a\x00b", string(filepath.Separator)} {
		for name, make := range constructors {
			l := make(path, marker.Config{})
			_, err := l.TryAcquire(bg)
			want(t, err, fs.ErrInvalid)
			_, err = l.Inspect(bg)
			want(t, err, fs.ErrInvalid)
			if l.Held() || l.Path() != path || l.LockFile() != "" {
				t.Errorf("%s: %q: %v, %q, %q", name, path, l.Held(), l.Path(), l.LockFile())
			}
		}
	}
}

func TestRelativePaths(t *testing.T) {
	for _, k := range kinds() {
		first, second := t.TempDir(), t.TempDir()
		t.Chdir(first)
		l := k.New("x")
		h, err := l.Acquire(bg)
		must(t, err)
		if len(files(t, first)) == 0 {
			t.Errorf("%s: nothing is there", k.Name)
		}
		t.Chdir(second)
		must(t, h.Release())
		if left := append(files(t, first), files(t, second)...); len(left) > 0 {
			t.Errorf("%s: %q is left", k.Name, left)
		}
	}
}

// TestLaw20UnwritableDirectoryIsNoLackOfNames has a directory where this user may
// make nothing.
func TestLaw20UnwritableDirectoryIsNoLackOfNames(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			switch op {
			case fault.Create, fault.Mkdir, fault.Symlink:
				return syscall.EACCES
			}
			return nil
		}})
		_, err := k.New(path).TryAcquire(bg)
		remove()
		want(t, err, fs.ErrPermission)
		if errors.Is(err, filelock.ErrUnsupported) {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

// TestLaw07FileBesideIsRemovedOnlyIfItIsTheSameFile has another file come to have the
// unique name of a link.
func TestLaw07FileBesideIsRemovedOnlyIfItIsTheSameFile(t *testing.T) {
	l := marker.NewLink(lockPath(t), marker.Config{})
	h, err := l.Acquire(bg)
	must(t, err)
	s, err := l.Inspect(bg)
	must(t, err)
	name, err := os.ReadFile(l.LockFile())
	must(t, err)
	beside := filepath.Join(filepath.Dir(l.LockFile()), string(name))
	must(t, errors.Join(os.WriteFile(beside+"2", []byte("another"), 0o666), os.Rename(beside+"2", beside)))
	must(t, l.Break(bg, s))
	if content, err := os.ReadFile(beside); err != nil || string(content) != "another" {
		t.Errorf("the other file says %q, %v", content, err)
	}
	want(t, h.Release(), filelock.ErrLost)
}

// TestLaw09DirectoryOfTwoIsNotHeld has somebody else come to have a file in the
// directory by the time that there is one of ours.
func TestLaw09DirectoryOfTwoIsNotHeld(t *testing.T) {
	l := marker.NewMkdir(lockPath(t), marker.Config{})
	other := filepath.Join(l.LockFile(), "other")
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.List {
			must(t, os.WriteFile(other, nil, 0o666))
		}
		return nil
	}})
	_, err := l.TryAcquire(bg)
	remove()
	want(t, err, filelock.ErrLocked)
	if names, err := filepath.Glob(filepath.Join(l.LockFile(), "*")); err != nil || len(names) != 1 || names[0] != other {
		t.Errorf("there are %q, %v", names, err)
	}
}

// TestLaw20DirectoryIsPassedOn has somebody, who was stopped while it made its own,
// put a file into a directory that is about to go. It alone is in it then, and that
// is no failure of who is no longer.
func TestLaw20DirectoryIsPassedOn(t *testing.T) {
	for what, end := range map[string]func(*marker.Lock, *filelock.Hold) error{
		"released": func(_ *marker.Lock, h *filelock.Hold) error { return h.Release() },
		"broken": func(l *marker.Lock, h *filelock.Hold) error {
			s, err := l.Inspect(bg)
			must(t, err)
			err = l.Break(bg, s)
			want(t, h.Release(), filelock.ErrLost)
			return err
		},
	} {
		l := marker.NewMkdir(lockPath(t), marker.Config{})
		h, err := l.Acquire(bg)
		must(t, err)
		next := filepath.Join(l.LockFile(), "web-7f00.12-34")
		remove := fault.Install(fault.AtFirst(fault.Rmdir, func() { must(t, os.WriteFile(next, nil, 0o666)) }))
		err = end(l, h)
		remove()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if now, err := l.Inspect(bg); err != nil || !now.Held || now.Holders[0].PID != 12 {
			t.Errorf("%s: %+v, %v", what, now, err)
		}
		must(t, os.RemoveAll(l.LockFile()))
	}
}

// TestLaw20DirectoryBrokenWhileItIsMadeIsContention has somebody break a directory
// that says nothing yet: the acquisition begins anew.
func TestLaw20DirectoryBrokenWhileItIsMadeIsContention(t *testing.T) {
	for _, op := range []fault.Op{fault.Stat, fault.Create, fault.List} {
		path := lockPath(t)
		l := marker.NewMkdir(path, marker.Config{})
		made, broken := false, false
		remove := fault.Install(&fault.Plan{Before: func(o fault.Op, _ string) error {
			if made && !broken && o == op {
				broken = true
				must(t, os.RemoveAll(l.LockFile()))
			}
			made = made || o == fault.Mkdir
			return nil
		}})
		h, err := l.TryAcquire(bg)
		remove()
		if err != nil || !broken {
			t.Fatalf("broken ahead of %s (%v): %v", op, broken, err)
		}
		must(t, h.Release())
	}
}

// TestNewDoesWithoutLinks has a file system without hard links.
func TestNewDoesWithoutLinks(t *testing.T) {
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Link {
			return noSuchNames
		}
		return nil
	}})()
	path := lockPath(t)
	_, err := marker.NewLink(path, marker.Config{}).TryAcquire(bg)
	want(t, err, filelock.ErrUnsupported, errors.ErrUnsupported)
	h, err := marker.New(path, marker.Config{}).TryAcquire(bg)
	must(t, err)
	if fi, err := os.Lstat(path + ".lock"); err != nil || !fi.IsDir() {
		t.Errorf("%v, %v", fi, err)
	}
	must(t, h.Release())
	if left := files(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
}

func TestBreakOfAStrangersState(t *testing.T) {
	l := marker.New(lockPath(t), marker.Config{})
	want(t, l.Break(bg, filelock.State{Held: true}), fs.ErrInvalid)
}
