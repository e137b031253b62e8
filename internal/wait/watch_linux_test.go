package wait

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/verify"
)

// bounded returns a context that ends only if the test has failed.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what no event tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

var must = verify.NoError

func newFile(t testing.TB) (path string) {
	path = filepath.Join(t.TempDir(), "lock")
	must(t, os.WriteFile(path, []byte("content"), 0o600))
	return path
}

func openFile(t testing.TB, path string, access sys.Access) sys.File {
	t.Helper()
	f, err := sys.Open(path, access)
	must(t, err)
	return f
}

// useFile does what the holder of a lock does last.
func useFile(t testing.TB, path string, access sys.Access) {
	t.Helper()
	must(t, openFile(t, path, access).Close())
}

func newWatch(t testing.TB, path string, mask uint32) *Watch {
	t.Helper()
	w, err := NewWatch(path, mask)
	must(t, err)
	t.Cleanup(w.Close)
	return w
}

func install(t testing.TB, op fault.Op, err error) {
	remove := fault.Install(&fault.Plan{Before: func(o fault.Op, _ string) error {
		if o == op {
			return err
		}
		return nil
	}})
	t.Cleanup(remove)
}

// leads reports whether somebody reads the events.
func (h *hub) leads() bool { return len(h.reading) == 0 }

func (h *hub) closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fd < 0 && h.cleaner.due == 0
}

// settle waits until nothing is left of other tests.
func settle(t testing.TB) {
	t.Helper()
	eventually(t, "the instances are closed", func() bool { return leaving.closed() && arriving.closed() })
}

// instances returns how many inotify instances the process has, and how many
// files they watch.
func instances(t testing.TB) (open, watched int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); to != "anon_inode:inotify" {
			continue
		}
		open++
		info, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if !errors.Is(err, fs.ErrNotExist) { // closed meanwhile
			must(t, err)
		}
		watched += bytes.Count(info, []byte("inotify wd:"))
	}
	return open, watched
}

func TestWatchTellsWhatHappens(t *testing.T) {
	touch := func(t *testing.T, path string) {
		now := time.Now()
		must(t, os.Chtimes(path, now, now))
	}
	chmod := func(t *testing.T, path string) { must(t, os.Chmod(path, 0o640)) }
	link := func(t *testing.T, path string) { must(t, os.Link(path, path+".other")) }
	rename := func(t *testing.T, path string) { must(t, os.Rename(path, path+".away")) }
	remove := func(t *testing.T, path string) { must(t, os.Remove(path)) }
	replace := func(t *testing.T, path string) {
		must(t, os.WriteFile(path+".new", nil, 0o600))
		must(t, os.Rename(path+".new", path))
	}
	read := func(t *testing.T, path string) {
		_, err := os.ReadFile(path)
		must(t, err)
	}
	write := func(t *testing.T, path string) { useFile(t, path, sys.ReadWrite) }
	knock := func(t *testing.T, path string) {
		f := openFile(t, path, sys.ReadOnly)
		t.Cleanup(func() { f.Close() }) // to close it is another event
		if !f.Knock() {
			t.Fatal("the owner cannot knock")
		}
	}
	open := func(t *testing.T, path string) {
		f := openFile(t, path, sys.ReadOnly)
		t.Cleanup(func() { f.Close() })
	}
	for _, c := range []struct {
		name                           string
		do                             func(*testing.T, string)
		vanishing, unlocking, arriving Event
	}{
		{"read", read, 0, Happened, Happened},
		{"close after writing", write, Happened, Happened, Happened},
		{"open", open, 0, 0, Happened},
		{"knock", knock, 0, 0, Happened},
		{"touch", touch, Touched, Touched, Touched},
		{"chmod", chmod, Touched, Touched, Touched},
		{"link", link, Touched, Touched, Touched},
		{"rename", rename, Replaced, Replaced, Replaced},
		{"remove", remove, Replaced, Replaced, Replaced},
		{"replace", replace, Replaced, Replaced, Replaced},
	} {
		t.Run(c.name, func(t *testing.T) {
			for mask, want := range map[uint32]Event{Vanishing: c.vanishing, Unlocking: c.unlocking, Arriving: c.arriving} {
				path := newFile(t)
				w := newWatch(t, path, mask)
				c.do(t, path)
				// The system has the event before the call that makes it returns.
				if got := w.Look(); got != want {
					t.Errorf("watch for %#x: got %d, want %d", mask, got, want)
				}
				if got := w.Look(); got != 0 {
					t.Errorf("watch for %#x: told %d once more", mask, got)
				}
			}
		})
	}
}

// A knock must be heard although the file was open before.
func TestKnockIsHeardByTheHolderOnly(t *testing.T) {
	path := newFile(t)
	f := openFile(t, path, sys.ReadWrite)
	defer f.Close()
	holder, waiter := newWatch(t, path, Arriving), newWatch(t, path, Unlocking)
	if !f.Knock() {
		t.Fatal("the owner cannot knock")
	}
	if e := holder.Look(); e != Happened {
		t.Errorf("the holder heard %d", e)
	}
	if e := waiter.Look(); e != 0 {
		t.Errorf("a waiter heard %d", e)
	}
}

// A file that somebody has open when it is removed is not gone yet.
func TestRemovalOfAnOpenFileIsHeard(t *testing.T) {
	path := newFile(t)
	f := openFile(t, path, sys.ReadOnly)
	defer f.Close()
	w := newWatch(t, path, Unlocking)
	must(t, os.Remove(path))
	if w.Look() == 0 {
		t.Error("nothing was heard")
	}
}

func TestAwaitWakes(t *testing.T) {
	path := newFile(t)
	f := openFile(t, path, sys.ReadOnly)
	w := newWatch(t, path, Unlocking)
	ctx := bounded(t)
	var group sync.WaitGroup
	group.Go(func() {
		if e, err := w.Await(ctx, time.Hour); e != Happened || err != nil {
			t.Errorf("got %d, %v", e, err)
		}
	})
	eventually(t, "it waits", leaving.leads)
	must(t, f.Close())
	group.Wait()
}

func TestAwaitEndsWithTheLimit(t *testing.T) {
	leader, follower := newWatch(t, newFile(t), Unlocking), newWatch(t, newFile(t), Unlocking)
	await := func() {
		t.Helper()
		if e, err := follower.Await(bounded(t), time.Millisecond); e != 0 || err != nil {
			t.Errorf("got %d, %v", e, err)
		}
	}
	await() // reading itself
	ctx, cancel := context.WithCancel(bounded(t))
	var group sync.WaitGroup
	group.Go(func() { leader.Await(ctx, time.Hour) })
	eventually(t, "the leader reads", leaving.leads)
	await()
	cancel()
	group.Wait()
}

func TestAwaitEndsWithTheContext(t *testing.T) {
	w := newWatch(t, newFile(t), Unlocking)
	other := newWatch(t, newFile(t), Unlocking)
	ended, cancel := context.WithCancel(bounded(t))
	cancel()
	if e, err := w.Await(ended, time.Hour); e != 0 || err != context.Canceled {
		t.Errorf("got %d, %v", e, err)
	}
	short, cancel := context.WithTimeout(bounded(t), time.Millisecond)
	defer cancel()
	if e, err := w.Await(short, time.Hour); e != 0 || err != context.DeadlineExceeded {
		t.Errorf("got %d, %v", e, err)
	}
	// And while another one reads.
	lead, cancel := context.WithCancel(bounded(t))
	var group sync.WaitGroup
	group.Go(func() {
		if e, err := other.Await(lead, time.Hour); e != 0 || err != context.Canceled {
			t.Errorf("the leader got %d, %v", e, err)
		}
	})
	eventually(t, "the leader reads", leaving.leads)
	short, cancelShort := context.WithTimeout(bounded(t), time.Millisecond)
	defer cancelShort()
	if e, err := w.Await(short, time.Hour); e != 0 || err != context.DeadlineExceeded {
		t.Errorf("got %d, %v", e, err)
	}
	cancel()
	group.Wait()
}

func TestWhatHappenedComesBeforeTheEnd(t *testing.T) {
	path := newFile(t)
	w := newWatch(t, path, Unlocking)
	useFile(t, path, sys.ReadOnly)
	if e := newWatch(t, newFile(t), Unlocking).Look(); e != 0 { // it reads for w
		t.Errorf("another file's watch heard %d", e)
	}
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	if e, err := w.Await(ctx, 0); e != Happened || err != nil {
		t.Errorf("got %d, %v", e, err)
	}
}

func TestLeaderWakesTheOther(t *testing.T) {
	path := newFile(t)
	leader, other := newWatch(t, newFile(t), Unlocking), newWatch(t, path, Unlocking)
	ctx, cancel := context.WithCancel(bounded(t))
	var group sync.WaitGroup
	group.Go(func() { leader.Await(ctx, time.Hour) })
	eventually(t, "the leader reads", leaving.leads)
	limit := bounded(t)
	for range 50 {
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if e, err := other.Await(limit, time.Hour); e != Happened || err != nil {
				t.Errorf("got %d, %v", e, err)
			}
		})
		runtime.Gosched() // so that it mostly waits already
		useFile(t, path, sys.ReadOnly)
		waiting.Wait()
	}
	cancel()
	group.Wait()
}

func TestEachHearsItsOwn(t *testing.T) {
	const files, rounds = 24, 30
	ctx := bounded(t)
	var paths []string
	heard := make(chan int, files)
	var group sync.WaitGroup
	defer group.Wait()
	for i := range files {
		path := newFile(t)
		paths = append(paths, path)
		w := newWatch(t, path, Unlocking)
		group.Go(func() {
			for range rounds {
				if e, err := w.Await(ctx, time.Hour); e != Happened || err != nil {
					t.Errorf("watch %d: %d, %v", i, e, err)
				}
				heard <- i
			}
		})
	}
	for range rounds {
		for _, path := range paths {
			useFile(t, path, sys.ReadOnly)
		}
		told := make([]int, files)
		for range files {
			told[<-heard]++
		}
		for i, n := range told {
			if n != 1 {
				t.Errorf("watch %d heard of its file %d times", i, n)
			}
		}
	}
}

func TestCancelledLeaderLeavesNobodyBehind(t *testing.T) {
	const others, rounds = 8, 30
	leader := newWatch(t, newFile(t), Unlocking)
	var watches []*Watch
	var paths []string
	for range others {
		paths = append(paths, newFile(t))
		watches = append(watches, newWatch(t, paths[len(paths)-1], Unlocking))
	}
	bound := bounded(t)
	for range rounds {
		ctx, cancel := context.WithCancel(bound)
		var group sync.WaitGroup
		group.Go(func() {
			if e, err := leader.Await(ctx, time.Hour); e != 0 || err != context.Canceled {
				t.Errorf("the leader got %d, %v", e, err)
			}
		})
		eventually(t, "the leader reads", leaving.leads)
		for i, w := range watches {
			group.Go(func() {
				// Every other one is cancelled too, perhaps when it has come to lead,
				// unless its event comes first.
				if i%2 == 0 {
					e, err := w.Await(ctx, time.Hour)
					if e == Happened {
						return
					}
					if err != context.Canceled {
						t.Errorf("watch %d: %d, %v", i, e, err)
					}
				}
				if e, err := w.Await(bound, time.Hour); e != Happened || err != nil {
					t.Errorf("watch %d: %d, %v", i, e, err)
				}
			})
		}
		var closing sync.WaitGroup
		for i, path := range paths {
			if i%2 == 1 { // in the middle of it
				closing.Go(func() { useFile(t, path, sys.ReadOnly) })
			}
		}
		cancel()
		closing.Wait()
		for i, path := range paths {
			if i%2 == 0 {
				useFile(t, path, sys.ReadOnly)
			}
		}
		group.Wait()
		for _, w := range watches { // an event may come in two parts
			w.Look()
		}
	}
}

func TestClosedWatchLeavesTheOther(t *testing.T) {
	settle(t)
	path := newFile(t)
	one, other := newWatch(t, path, Unlocking), newWatch(t, path, Unlocking)
	useFile(t, path, sys.ReadOnly)
	if a, b := one.Look(), other.Look(); a != Happened || b != Happened {
		t.Errorf("heard %d and %d", a, b)
	}
	one.Close()
	eventually(t, "it is cleaned up", func() bool {
		leaving.mu.Lock()
		defer leaving.mu.Unlock()
		return leaving.cleaner.due == 0
	})
	useFile(t, path, sys.ReadOnly)
	if e := other.Look(); e != Happened {
		t.Errorf("heard %d", e)
	}
	if e := one.take(); e != 0 {
		t.Errorf("the closed one heard %d", e)
	}
}

func TestWatchesOfOneFileKeepTheirEvents(t *testing.T) {
	path := newFile(t)
	all := newWatch(t, path, Unlocking)
	changes := 0
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op != fault.Watch {
			return nil
		}
		if changes++; changes == 2 { // before the second step, if there is one
			useFile(t, path, sys.ReadOnly)
		}
		return nil
	}})
	defer remove()
	few := newWatch(t, path, Vanishing)
	if changes == 1 {
		useFile(t, path, sys.ReadOnly)
	}
	if e := few.Look(); e != 0 {
		t.Errorf("the new one heard %d", e)
	}
	if e := all.Look(); e != Happened {
		t.Errorf("heard %d", e)
	}
}

func TestWatchesAreCleanedUp(t *testing.T) {
	settle(t)
	paths := []string{newFile(t), newFile(t)}
	expect := func(open, watched int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d instances, %d watches", open, watched), func() bool {
			o, w := instances(t)
			return o == open && w == watched
		})
	}
	for range 2 {
		expect(0, 0)
		waits := []*Watch{newWatch(t, paths[0], Unlocking), newWatch(t, paths[0], Unlocking), newWatch(t, paths[1], Vanishing)}
		holds := newWatch(t, paths[1], Arriving)
		expect(2, 3)
		waits[0].Close()
		waits[1].Close()
		expect(2, 2)
		holds.Close()
		expect(1, 1)
		waits[2].Close()
	}
	expect(0, 0)
}

// unwatch has the system forget the watch, as it does when the file is gone for
// good, although one with the same number may be at the path again.
func unwatch(t testing.TB, w *Watch) {
	t.Helper()
	if _, err := unix.InotifyRmWatch(w.hub.fd, uint32(w.wd)); err != nil {
		t.Fatal(err)
	}
}

func TestInstanceOutlivesTheFile(t *testing.T) {
	settle(t)
	w, other := newWatch(t, newFile(t), Unlocking), newWatch(t, newFile(t), Unlocking)
	unwatch(t, w)
	if e, err := w.Await(bounded(t), time.Hour); e != Replaced || err != nil {
		t.Errorf("got %d, %v", e, err)
	}
	other.Close()
	eventually(t, "it is cleaned up", func() bool {
		leaving.mu.Lock()
		defer leaving.mu.Unlock()
		return leaving.cleaner.due == 0
	})
	if leaving.closed() {
		t.Error("the instance is closed, and there is a watch")
	}
	if e, err := w.Await(bounded(t), time.Millisecond); e != 0 || err != nil {
		t.Errorf("got %d, %v", e, err)
	}
	w.Close()
	settle(t)
}

func TestNewWatchFails(t *testing.T) {
	path := newFile(t)
	for op, errno := range map[fault.Op]error{fault.Notify: unix.EMFILE, fault.Watch: unix.ENOSPC} {
		t.Run(string(op), func(t *testing.T) {
			settle(t)
			install(t, op, errno)
			if _, err := NewWatch(path, Unlocking); !errors.Is(err, errno) {
				t.Errorf("got %v", err)
			}
			settle(t)
			if open, _ := instances(t); open != 0 {
				t.Errorf("%d instances stay open", open)
			}
		})
	}
	if _, err := NewWatch(path+".none", Unlocking); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestWatchThatHangsKeepsNobodyFromTheirs has the look-up of one file never end, as
// a file server can. Others are watched, heard and let go of meanwhile.
func TestWatchThatHangsKeepsNobodyFromTheirs(t *testing.T) {
	settle(t)
	hanging, path, begun, end := newFile(t), newFile(t), make(chan struct{}), make(chan struct{})
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, at string) error {
		if op == fault.Watch && at == hanging {
			close(begun)
			<-end
		}
		return nil
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		w, err := NewWatch(hanging, Vanishing)
		if err != nil {
			t.Error(err)
			return
		}
		useFile(t, hanging, sys.ReadWrite)
		if e, err := w.Await(bounded(t), time.Minute); e != Happened || err != nil {
			t.Errorf("the file that was found at last: %v, %v", e, err)
		}
		w.Close()
	})
	<-begun
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := newWatch(t, path, Vanishing)
		useFile(t, path, sys.ReadWrite)
		if e, err := w.Await(bounded(t), time.Minute); e != Happened || err != nil {
			t.Errorf("another file: %v, %v", e, err)
		}
		w.Close()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("another file cannot be watched")
	}
	close(end)
	<-done
	wg.Wait()
	remove()
	settle(t)
}

// TestWatchThatEndsBeforeItIsKnownIsMadeAgain has the file of a watch be another one
// by the time that its number is known, and that be read by somebody else.
func TestWatchThatEndsBeforeItIsKnownIsMadeAgain(t *testing.T) {
	settle(t)
	path, reader := newFile(t), newWatch(t, newFile(t), Vanishing)
	added := 0
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, at string, err error) error {
		if op == fault.Watch && at == path {
			if added++; added == 1 {
				must(t, os.Remove(path))
				must(t, os.WriteFile(path, nil, 0o600))
				reader.Look()
			}
		}
		return err
	}})
	w := newWatch(t, path, Vanishing)
	remove()
	w.Look()
	useFile(t, path, sys.ReadWrite)
	if e := w.Look(); added != 2 || e != Happened {
		t.Errorf("it was made %d times, and heard %v", added, e)
	}
}

func TestPauseWithoutEventsPolls(t *testing.T) {
	path := newFile(t)
	for op, errno := range map[fault.Op]error{fault.Notify: unix.EMFILE, fault.Watch: unix.ENOSPC} {
		t.Run(string(op), func(t *testing.T) {
			settle(t)
			install(t, op, errno)
			synctest.Test(t, func(t *testing.T) {
				w := New(path, Unlocking, 0, func() bool { t.Error("knocked for nothing"); return true })
				defer w.Close()
				start := time.Now()
				const ms = time.Millisecond
				for i, want := range []time.Duration{0, ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 113 * ms} {
					must(t, w.Pause(t.Context()))
					if at := time.Since(start); at != want {
						t.Errorf("pause %d ends after %v, want %v", i, at, want)
					}
				}
				time.Sleep(time.Second) // the clean-up is in the bubble
			})
		})
	}
}

// event is what the system writes of one, inotify(7).
func event(wd int32, mask uint32, name string) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(wd))
	b = binary.NativeEndian.AppendUint32(b, mask)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(name)))
	return append(b, name...)
}

func TestOverflowIsToldToAll(t *testing.T) {
	ctx := bounded(t)
	watches := []*Watch{newWatch(t, newFile(t), Unlocking), newWatch(t, newFile(t), Vanishing)}
	leaving.dispatch(event(-1, unix.IN_Q_OVERFLOW, ""))
	for i, w := range watches {
		if e, err := w.Await(ctx, time.Hour); e != Replaced || err != nil {
			t.Errorf("watch %d: %d, %v", i, e, err)
		}
	}
}

func FuzzDispatch(f *testing.F) {
	f.Add([]byte{})
	f.Add(event(2, unix.IN_CLOSE_WRITE, ""))
	f.Add(append(event(1, unix.IN_CREATE, "file\x00\x00\x00\x00"), event(2, unix.IN_IGNORED, "")...))
	f.Add(event(-1, unix.IN_Q_OVERFLOW, "")[:11])
	f.Add(event(1, unix.IN_CREATE, "file")[:18])
	f.Add(append(event(1, unix.IN_CREATE, "")[:12], 0xf0, 0xff, 0xff, 0xff)) // its length overflows
	f.Fuzz(func(t *testing.T, data []byte) {
		h := newHub(false)
		var watches []*Watch
		for wd := range int32(3) {
			w := &Watch{hub: h, wd: wd, mask: Unlocking, signal: make(chan struct{}, 1)}
			h.watches[wd] = []*Watch{w}
			watches = append(watches, w)
		}
		// Whatever comes after it, a whole event is told, and one in a directory
		// is not.
		h.dispatch(append(event(1, unix.IN_CLOSE_WRITE, ""), data...))
		if watches[1].seen.Load()&unix.IN_CLOSE_WRITE == 0 {
			t.Error("the event was not told")
		}
		for _, w := range watches {
			w.seen.Store(0)
		}
		h.dispatch(event(0, unix.IN_CLOSE_WRITE, string(data)))
		if told := watches[0].seen.Load() != 0; told != (len(data) == 0) {
			t.Errorf("told: %v", told)
		}
	})
}

// newWait begins a wait whose pauses end with an event, or not at all.
func newWait(t testing.TB, path string, knock func() bool) (w *Wait, pause func()) {
	w = New(path, Unlocking, time.Hour, knock)
	w.pause = time.Hour
	t.Cleanup(w.Close)
	ctx := bounded(t)
	return w, func() {
		t.Helper()
		must(t, w.Pause(ctx))
	}
}

func TestFirstPauseSetsTheWatchOnly(t *testing.T) {
	path := newFile(t)
	_, pause := newWait(t, path, nil)
	useFile(t, path, sys.ReadOnly) // before anybody listens
	pause()
	useFile(t, path, sys.ReadOnly)
	pause()
}

func TestKnocksOnceForEachPause(t *testing.T) {
	path := newFile(t)
	knocks := 0
	w, pause := newWait(t, path, func() bool { knocks++; return true })
	pause()
	if w.watch == nil || knocks != 0 {
		t.Errorf("%d knocks, watch %v", knocks, w.watch)
	}
	for n := 1; n < 4; n++ {
		pause() // at once, so that a try follows
		if knocks != n {
			t.Errorf("%d knocks before pause %d", knocks, n)
		}
		must(t, os.Chmod(path, 0o600))
		pause()
		if knocks != n {
			t.Errorf("%d knocks in pause %d", knocks, n)
		}
	}
	if w.doubtful {
		t.Error("the holder has heard, but is doubted")
	}
}

func TestUnheardKnockShortensPauses(t *testing.T) {
	w, pause := newWait(t, newFile(t), func() bool { return false })
	w.longest = 0
	pause()
	if w.limit() != longestHeard {
		t.Errorf("the limit is %v", w.limit())
	}
	pause()
	if w.limit() != longestSilent {
		t.Errorf("the limit is %v", w.limit())
	}
}

func TestPauseFollowsThePath(t *testing.T) {
	path := newFile(t)
	knocks := 0
	w, pause := newWait(t, path, func() bool { knocks++; return true })
	pause()
	pause()
	must(t, os.Rename(newFile(t), path))
	pause() // watches
	pause() // knocks, of the new one
	if at, err := sys.Lstat(path); err != nil || w.id != at.ID || knocks != 2 {
		t.Errorf("watches %v, not %v; %d knocks; %v", w.id, at.ID, knocks, err)
	}
	must(t, os.Chmod(path, 0o600))
	pause()
}

func TestPauseFollowsAFileWithTheSameNumber(t *testing.T) {
	path := newFile(t)
	w, pause := newWait(t, path, nil)
	pause()
	unwatch(t, w.watch)
	pause() // is told so
	pause() // watches again
	useFile(t, path, sys.ReadOnly)
	pause()
	if w.lost != 1 {
		t.Errorf("%d events", w.lost)
	}
}

func TestPauseOutlivesTheFile(t *testing.T) {
	path := newFile(t)
	w, pause := newWait(t, path, nil)
	pause()
	must(t, os.Remove(path))
	pause()
	if w.watch != nil {
		t.Error("it watches what is gone")
	}
	must(t, os.WriteFile(path, nil, 0o600))
	pause()
	must(t, os.Chmod(path, 0o640))
	pause()
}

func TestPausesForNothingTakeTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	synctest.Test(t, func(t *testing.T) {
		w := New(path, Unlocking, 0, nil)
		defer w.Close()
		start := time.Now()
		for range 100 {
			must(t, w.Pause(t.Context()))
		}
		if time.Since(start) < time.Second {
			t.Errorf("100 tries took %v", time.Since(start))
		}
	})
}

func TestPauseWithEventsEndsWithTheContext(t *testing.T) {
	w, pause := newWait(t, newFile(t), nil)
	pause()
	ctx, cancel := context.WithCancel(bounded(t))
	var group sync.WaitGroup
	group.Go(func() {
		if err := w.Pause(ctx); err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
	eventually(t, "it waits", leaving.leads)
	cancel()
	group.Wait()
}

func TestCloseWithoutPause(t *testing.T) {
	settle(t)
	New(newFile(t), Unlocking, 0, nil).Close()
	if open, _ := instances(t); open != 0 {
		t.Errorf("%d instances are open", open)
	}
}
