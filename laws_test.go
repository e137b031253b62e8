//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/verify"
)

// The tests of this file state the laws of docs/design.md, by their numbers.
// Those of one system stand in files of its name.

var bg = context.Background()

var must, want = verify.NoError, verify.Is

func lockPath(t testing.TB) string { return filepath.Join(t.TempDir(), "x.lock") }

// kinds are all that exist on this system.
func kinds() []locktest.Kind {
	if runtime.GOOS == "linux" {
		return []locktest.Kind{flockKind, recordKind, softKind}
	}
	return []locktest.Kind{flockKind, softKind}
}

func TestLaw02StrangersExcludeThroughHardLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be linked under wine")
	}
	path := lockPath(t)
	write(t, path, "")
	must(t, os.Link(path, path+"2"))
	var inside, total atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				err := filelock.New(path+[]string{"", "2"}[i%2]).Do(bg, func(context.Context) error {
					if inside.Add(1) != 1 {
						t.Error("two have the lock, by two names")
					}
					runtime.Gosched()
					inside.Add(-1)
					total.Add(1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if total.Load() != 80 {
		t.Errorf("the lock was had %d times", total.Load())
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

func TestLaw03KindsOfLocksAreNeverExchanged(t *testing.T) {
	path := lockPath(t)
	refuse := func(op fault.Op, _ string) error {
		if op == fault.Lock {
			return noSuchLocks
		}
		return nil
	}
	remove := fault.Install(&fault.Plan{Before: refuse})
	_, err := filelock.New(path).Acquire(bg)
	remove()
	want(t, err, filelock.ErrUnsupported, errors.ErrUnsupported)
	if errors.Is(err, filelock.ErrLocked) {
		t.Errorf("a file system without locks is called locked: %v", err)
	}
	content, err := os.ReadFile(path)
	if err != nil || len(content) > 0 {
		t.Errorf("in the place of a lock there is %q, %v", content, err)
	}
	must(t, os.Remove(path))

	// Kinds that do not exclude each other are not taken for one another.
	var holds []*filelock.Hold
	for _, k := range kinds()[:len(kinds())-1] {
		h, err := k.New(path).TryAcquire(bg)
		must(t, err)
		holds = append(holds, h)
	}
	for _, h := range holds {
		must(t, h.Release())
	}
}

func TestLaw05SamePathIsTheSameLockInEveryProcess(t *testing.T) {
	for _, k := range kinds() {
		dir := t.TempDir()
		path := filepath.Join(dir, "x.lock")
		p := k.Elsewhere(t, path)
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: the lock is not at its path: %v", k.Name, err)
		}
		t.Chdir(dir)
		l := k.New("x.lock")
		if l.Path() != "x.lock" {
			t.Errorf("%s: the path is %q", k.Name, l.Path())
		}
		_, err := l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		p.Say("release")
		p.Expect("done")
	}
}

// doubtful are markers that prove nothing.
func doubtful(t *testing.T) map[string]string {
	host, err := os.Hostname()
	must(t, err)
	dead := deadID(t)
	marker := func(m record.Marker) string { return string(record.AppendMarker(nil, m)) }
	with := func(change func(*record.Marker)) string {
		m := record.Marker{ID: dead, Host: host, Nonce: 1}
		change(&m)
		return marker(m)
	}
	foreign := "133000000000000000" // as on Windows, in 2022
	if runtime.GOOS == "windows" {
		foreign = "2348562348956234895623489562348956234" // as on Linux
	}
	return map[string]string{
		"empty":                      "",
		"blank":                      " \n",
		"malformed":                  "who?\n",
		"somebody's data":            strings.Repeat("precious ", 1000),
		"not UTF-8":                  "1\n\xff\n",
		"strict":                     "1\nfilelock-strict-v1\x00\n0\n",
		"another host":               with(func(m *record.Marker) { m.Host = "another." + host }),
		"another host, py-filelock":  with(func(m *record.Marker) { m.Host = "another." + host; m.ID.Space = procid.Unstated }),
		"another container or boot":  with(func(m *record.Marker) { m.ID.Space++ }),
		"an unknown container":       with(func(m *record.Marker) { m.ID.Space = 0 }),
		"this process, other number": with(func(m *record.Marker) { m.ID = procid.Self() }),
		"a living process, no start": with(func(m *record.Marker) {
			m.ID = procid.ID{PID: os.Getppid(), Space: procid.Unstated}
		}),
		"another system's start, py-filelock": with(func(m *record.Marker) {
			m.ID = procid.ID{PID: m.ID.PID, Start: foreign, Space: procid.Unstated}
		}),
		"damaged blanks": with(func(m *record.Marker) {}) + " ",
	}
}

// deadID returns the ID of a process that has ended.
func deadID(t *testing.T) procid.ID {
	path := lockPath(t)
	leaveStale(t, path)
	content, err := os.ReadFile(path)
	must(t, err)
	m, err := record.ParseMarker(content)
	must(t, err)
	return m.ID
}

// leaveStale leaves the marker of a process that has been killed.
func leaveStale(t *testing.T, path string) { softKind.Elsewhere(t, path).Kill() }

func TestLaw06NothingIsReclaimedOnDoubt(t *testing.T) {
	long := time.Now().Add(-1000 * time.Hour)
	for what, content := range doubtful(t) {
		path := lockPath(t)
		write(t, path, content)
		must(t, os.Chtimes(path, long, long)) // age proves nothing
		l := filelock.NewSoft(path, filelock.WithTimeout(20*time.Millisecond))
		_, err := l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		_, err = l.Acquire(bg)
		want(t, err, filelock.ErrTimeout)
		now, err := os.ReadFile(path)
		if err != nil || string(now) != content {
			t.Errorf("%s: the marker is now %q, %v", what, now, err)
		}
		s, err := l.Inspect(bg)
		if err != nil || !s.Held || s.Stale {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
		if what == "strict" {
			want(t, l.Break(bg, s), filelock.ErrUnsupported)
			continue
		}
		must(t, l.Break(bg, s)) // only when told to
		h, err := l.TryAcquire(bg)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		must(t, h.Release())
	}
}

func TestLaw06UnreadableMarkerIsHeld(t *testing.T) {
	path := lockPath(t)
	leaveStale(t, path)
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, p string) error {
		if op == fault.Open && strings.HasSuffix(p, "x.lock") {
			return fs.ErrPermission
		}
		return nil
	}})
	_, err := filelock.NewSoft(path).TryAcquire(bg)
	text := err.Error()
	remove()
	want(t, err, filelock.ErrLocked)
	if !strings.Contains(text, "may not be read") {
		t.Errorf("the error does not say why: %s", text)
	}
}

func TestLaw06DeadHoldersMarkerIsReclaimed(t *testing.T) {
	path := lockPath(t)
	leaveStale(t, path)
	l := filelock.NewSoft(path)
	s, err := l.Inspect(bg)
	if err != nil || !s.Held || !s.Stale {
		t.Errorf("%+v, %v", s, err)
	}
	h, err := l.TryAcquire(bg)
	must(t, err)
	must(t, h.Release())

	// The same for py-filelock's own, with and without the start.
	host, err := os.Hostname()
	must(t, err)
	dead := deadID(t)
	for _, start := range []string{dead.Start, ""} {
		m := record.Marker{ID: procid.ID{PID: dead.PID, Start: start, Space: procid.Unstated}, Host: host}
		write(t, path, string(record.AppendMarker(nil, m)))
		h, err := l.TryAcquire(bg)
		must(t, err)
		must(t, h.Release())
	}
}

func TestLaw14ReleaseAffectsItsOwnAcquisitionOnly(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		old, err := k.New(path).Acquire(bg)
		must(t, err)
		must(t, old.Release())
		p := k.Elsewhere(t, path) // another process has it now
		want(t, old.Release(), filelock.ErrNotHeld)
		must(t, filelock.ReleaseAll())
		_, err = k.New(path).TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		p.Say("release")
		p.Expect("done")
	}
}

// TestLaw14SecondReleaseSparesTheOwnersOtherHold releases a nested hold twice.
func TestLaw14SecondReleaseSparesTheOwnersOtherHold(t *testing.T) {
	l := filelock.New(lockPath(t))
	outer, err := l.Acquire(bg)
	must(t, err)
	inner, err := l.Acquire(outer.Context())
	must(t, err)
	must(t, inner.Release())
	want(t, inner.Release(), filelock.ErrNotHeld)
	if n := l.Depth(outer.Context()); n != 1 {
		t.Errorf("its owner has %d holds", n)
	}
	must(t, outer.Release())
}

func TestLaw15OnlyTheProcessThatAcquiredReleases(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		p := k.Elsewhere(t, path)
		l := k.New(path)
		if err := l.ForceRelease(bg); !errors.Is(err, filelock.ErrNotOwner) && !errors.Is(err, filelock.ErrNotHeld) {
			t.Errorf("%s: ForceRelease returned %v", k.Name, err)
		}
		must(t, filelock.ReleaseAll())
		if _, err := l.TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: another process gave the lock back: %v", k.Name, err)
		}
		p.Say("release")
		p.Expect("done") // and not that it was lost
	}
}

func TestLaw18FailedReleaseIsReportedAndCanBeRepeated(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		failure := errors.New("the system's")
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Unlock || op == fault.Unlink {
				return failure
			}
			return nil
		}})
		err = h.Release()
		remove()
		want(t, err, failure)
		if _, err := k.New(path).TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: after a release that failed: %v", k.Name, err)
		}
		// The owner itself goes on.
		nested, err := k.New(path).TryAcquire(h.Context())
		must(t, err)
		must(t, nested.Release())
		must(t, h.Release())
		want(t, h.Release(), filelock.ErrNotHeld)
		again, err := k.New(path).TryAcquire(bg)
		must(t, err)
		must(t, again.Release())
	}
}

// TestLaw18DoReportsAFailedRelease has nobody who could repeat it: the next
// acquisition does.
func TestLaw18DoReportsAFailedRelease(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		l := k.New(path)
		failure, own := errors.New("the system's"), errors.New("the function's")
		published := false // a soft lock unlinks its claim while it acquires
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if k.Name == "soft" && op == fault.Unlink && published || k.Name != "soft" && op == fault.Unlock {
				return failure
			}
			return nil
		}})
		err := l.Do(bg, func(context.Context) error { published = true; return own })
		want(t, err, failure, own)
		if l.Held() {
			t.Errorf("%s: the lock is held by nobody", k.Name)
		}
		if k.Name == "soft" { // the marker stands there still
			_, err := l.TryAcquire(bg)
			want(t, err, failure)
		}
		remove()
		h, err := l.TryAcquire(bg)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		must(t, h.Release())
	}
}

// TestLaw18AbandonedHoldHasEnded is the same of a hold, which nobody can release
// again then.
func TestLaw18AbandonedHoldHasEnded(t *testing.T) {
	for _, k := range kinds() {
		l := k.New(lockPath(t))
		h, err := l.Acquire(bg)
		must(t, err)
		nested, err := l.Acquire(h.Context())
		must(t, err)
		must(t, nested.Abandon())
		failure := errors.New("the system's")
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Unlock || op == fault.Unlink {
				return failure
			}
			return nil
		}})
		want(t, h.Release(), failure)
		if !l.Held() {
			t.Errorf("%s: the hold has ended with its release, which failed", k.Name)
		}
		want(t, h.Abandon(), failure)
		if l.Held() {
			t.Errorf("%s: the lock is held by nobody", k.Name)
		}
		want(t, h.Abandon(), filelock.ErrNotHeld)
		want(t, h.Release(), filelock.ErrNotHeld)
		remove()
		again, err := l.TryAcquire(bg)
		must(t, err)
		must(t, again.Abandon())
	}
}

func TestLaw19NotAcquiredMeansAnError(t *testing.T) {
	cancelled, cancel := context.WithCancel(bg)
	cancel()
	for _, k := range kinds() {
		path := lockPath(t)
		first, err := k.New(path).Acquire(bg)
		must(t, err)
		for what, try := range map[string]func() (*filelock.Hold, error){
			"a try":               func() (*filelock.Hold, error) { return k.New(path).TryAcquire(bg) },
			"a timeout":           func() (*filelock.Hold, error) { return k.New(path).Acquire(bg, filelock.WithTimeout(1)) },
			"no wait":             func() (*filelock.Hold, error) { return k.New(path).Acquire(bg, filelock.NonBlocking()) },
			"an ended context":    func() (*filelock.Hold, error) { return k.New(path).Acquire(cancelled) },
			"a missing directory": func() (*filelock.Hold, error) { return k.New(filepath.Join(path+"d", "x")).Acquire(bg) },
			"no path":             func() (*filelock.Hold, error) { return k.New("").Acquire(bg) },
		} {
			if h, err := try(); err == nil || h != nil {
				t.Errorf("%s, %s: %v, %v", k.Name, what, h, err)
			}
		}
		must(t, first.Release())
	}
}

func TestLaw20ErrorsAreToldApart(t *testing.T) {
	all := []error{
		filelock.ErrLocked, filelock.ErrTimeout, context.Canceled, fs.ErrPermission, fs.ErrNotExist,
		filelock.ErrUnsupported, filelock.ErrUpgrade, filelock.ErrNotHeld, fs.ErrInvalid,
	}
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	defer h.Release()
	acquire := func(path string, opts ...filelock.AcquireOption) error {
		_, err := filelock.New(path).Acquire(bg, opts...)
		return err
	}
	soon, cancel := context.WithCancel(bg)
	time.AfterFunc(5*time.Millisecond, cancel)
	for what, c := range map[string]struct {
		err  error
		want []error
	}{
		"contention": {acquire(path, filelock.NonBlocking()), []error{filelock.ErrLocked}},
		"timeout":    {acquire(path, filelock.WithTimeout(5*time.Millisecond)), []error{filelock.ErrLocked, filelock.ErrTimeout}},
		"cancelled": {func() error {
			_, err := filelock.New(path).Acquire(soon)
			return err
		}(), []error{context.Canceled}},
		"permission": {func() error {
			defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
				if op == fault.Open || op == fault.Create {
					return fs.ErrPermission
				}
				return nil
			}})()
			return acquire(path + "2")
		}(), []error{fs.ErrPermission}},
		"missing":     {acquire(filepath.Join(path+"d", "x")), []error{fs.ErrNotExist}},
		"unsupported": {acquireSoftShared(path + "s"), []error{filelock.ErrUnsupported}},
		"not held":    {filelock.New(path + "2").ForceRelease(bg), []error{filelock.ErrNotHeld}},
		"nonsense":    {acquire(""), []error{fs.ErrInvalid}},
	} {
		for _, kind := range all {
			wanted := false
			for _, w := range c.want {
				wanted = wanted || w == kind
			}
			if errors.Is(c.err, kind) != wanted {
				t.Errorf("%s: %v matches %v: %v", what, c.err, kind, !wanted)
			}
		}
	}
}

func acquireSoftShared(path string) error {
	_, err := filelock.NewSoft(path).Acquire(bg, filelock.Shared())
	return err
}

// TestLaw20OnlyContentionIsRetried counts what a wait without a limit does
// after an error that waiting does not mend.
func TestLaw20OnlyContentionIsRetried(t *testing.T) {
	for _, k := range kinds() {
		for _, op := range []fault.Op{fault.Stat, fault.Open, fault.Create} {
			count := 0
			failure := errors.New("for good")
			remove := fault.Install(&fault.Plan{Before: func(o fault.Op, _ string) error {
				if o != op {
					return nil
				}
				count++
				return failure
			}})
			path := lockPath(t)
			if op == fault.Open {
				write(t, path, "")
			}
			_, err := k.New(path).Acquire(bg)
			remove()
			want(t, err, failure)
			if count != 1 {
				t.Errorf("%s: %s was tried %d times", k.Name, op, count)
			}
		}
	}
}

func TestLaw22ContentAndModeAreLeftAlone(t *testing.T) {
	path := lockPath(t)
	const precious = "precious data\n"
	write(t, path, precious)
	must(t, os.Chmod(path, 0o600))
	before, err := os.Stat(path)
	must(t, err)
	same := func(when string) {
		t.Helper()
		content, err := os.ReadFile(path)
		must(t, err)
		after, err := os.Stat(path)
		must(t, err)
		if string(content) != precious || after.Mode() != before.Mode() || after.ModTime() != before.ModTime() {
			t.Errorf("%s: content %q, mode %v, time %v", when, content, after.Mode(), after.ModTime())
		}
	}
	must(t, filelock.New(path).Do(bg, func(context.Context) error { return nil }))
	same("without options")
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	// Whoever is refused changes nothing, whatever its options.
	p := withEverything(t, path)
	p.Say("try")
	if got := p.Line(); got == "done" {
		t.Fatal("two have the lock")
	}
	must(t, h.Release())
	same("after a refusal")
	p.Say("acquire")
	p.Expect("done")
	if runtime.GOOS != "windows" { // content is locked there
		if content, err := os.ReadFile(path); err != nil || string(content) != " content\n" {
			t.Errorf("asked for, the content is %q, %v", content, err)
		}
	}
	p.Say("release")
	p.Expect("done")
	if after, err := os.Stat(path); err != nil || after.Mode() != before.Mode() {
		t.Errorf("the mode of an existing file is now %v, %v", after.Mode(), err)
	}
}
