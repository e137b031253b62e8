package locktest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// contract is the table of all tests.
var contract = []struct {
	name  string
	needs func(Kind) bool // nil: every kind runs it
	test  func(t *testing.T, k Kind, path string)
}{
	{"DoNestsAThousandDeep", nil, doNests},
	{"OwnerNestsThroughAnotherObject", nil, ownerNestsThroughAnotherObject},
	{"StrangersExcludeEachOther", nil, strangersExclude},
	{"SharedOwnerLetsEverybodyIn", nil, sharedOwner},
	{"WithoutNestingRefusesTheOwner", nil, withoutNesting},
	{"TryOfAHeldLockNamesThisProcess", nil, tryOfHeld},
	{"TryOfAFreeLockSucceeds", nil, tryOfFree},
	{"TimeoutIsTimeoutAndLocked", nil, timeout},
	{"OptionsAreOverriddenOneByOne", nil, optionsOverride},
	{"DeadlineOfTheContextIsBoth", nil, deadline},
	{"CancelledWaitIsNotHeld", nil, cancelled},
	{"EndedContextAcquiresNothing", nil, endedContext},
	{"WaitersGetItInTheirOrder", nil, fifo},
	{"DoReleasesOnErrorPanicAndGoexit", nil, doReleases},
	{"OwnerOfDoEndsWithIt", nil, ownerEnds},
	{"GoroutinesInDoShareTheHold", nil, goroutinesShare},
	{"OwnerIsLetInAheadOfStrangers", nil, ownerAheadOfStrangers},
	{"HoldsEndInAnyOrder", nil, anyOrder},
	{"SecondReleaseIsNotHeld", nil, secondRelease},
	{"ForceReleaseEndsAllHoldsOfTheOwner", nil, forceRelease},
	{"ForceReleaseByAStrangerIsNotOwner", nil, forceReleaseByStranger},
	{"ReleaseAllGivesEverythingBack", nil, releaseAll},
	{"DroppedHoldStaysHeld", nil, droppedHold},
	{"HoldCarriesItsOwner", nil, holdContext},
	{"ReadersShare", Kind.sharing, readersShare},
	{"WriterIsNotOvertakenByReaders", Kind.sharing, writerNotOvertaken},
	{"SharedNestsInExclusive", Kind.sharing, sharedInExclusive},
	{"SharedCannotBecomeExclusive", Kind.sharing, upgrade},
	{"SharedIsRefusedWhereThereIsNone", Kind.notSharing, sharedUnsupported},
	{"CycleOfOwnersIsADeadlock", nil, cycle},
	{"CycleOfThreeIsADeadlock", nil, cycleOfThree},
	{"CycleWithADeadlineIsATimeout", nil, cycleWithDeadline},
	{"SecondNameOfTheFileIsADeadlock", Kind.hardLinks, secondName},
	{"OtherProcessExcludes", Kind.others, otherProcess},
	{"OtherProcessShares", Kind.sharingWithOthers, otherProcessShares},
	{"KilledHolderLetsTheWaiterIn", Kind.endingWithHolder, killedHolder},
	{"ReleaseElsewhereLetsTheWaiterIn", Kind.others, releaseElsewhere},
	{"InspectTellsAndChangesNothing", nil, inspect},
	{"InspectAsksAServerAnew", func(k Kind) bool { return k.markers() && runtime.GOOS == "linux" }, inspectAsks},
	{"BreakIsUnsupported", Kind.notBreaking, breakUnsupported},
	{"BreakEndsTheHoldThatWasInspected", Kind.breaking, breakHold},
	{"BreakSparesASuccessor", Kind.breakingOthers, breakSparesSuccessor},
	{"Law20UnreadableMarkerIsContention", Kind.markers, unreadableMarker},
	{"MissingDirectoryFailsAtOnce", Kind.files, missingDirectory},
	{"GuardCallAndGuardFunc", nil, decorators},
	{"NonsenseIsReportedByTheFirstAcquisition", nil, nonsense},
}

func (k Kind) sharing() bool     { return k.CanShare }
func (k Kind) notSharing() bool  { return !k.CanShare }
func (k Kind) breaking() bool    { return k.CanBreak }
func (k Kind) notBreaking() bool { return !k.CanBreak }
func (k Kind) hardLinks() bool   { return k.HardLinks }
func (k Kind) files() bool       { return !k.NoFile }
func (k Kind) others() bool      { return !k.NoOthers }
func (k Kind) markers() bool     { return k.CanBreak && !k.NoFile }

func (k Kind) sharingWithOthers() bool { return k.CanShare && !k.NoOthers }
func (k Kind) breakingOthers() bool    { return k.CanBreak && !k.NoOthers }
func (k Kind) endingWithHolder() bool  { return !k.NoOthers && !k.Outlives }

var must = verify.NoError

// acquire gets a hold that must be had.
func acquire(t testing.TB, ctx context.Context, l Lock, opts ...filelock.AcquireOption) *filelock.Hold {
	t.Helper()
	h, err := l.Acquire(ctx, opts...)
	must(t, err)
	return h
}

// wantError fails the test unless err matches all of want.
func wantError(t testing.TB, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("error %v (%T) does not match %v", err, err, w)
		}
	}
	if e := new(filelock.LockError); !errors.As(err, &e) {
		t.Fatalf("error %v is no *LockError", err)
	}
}

// wantLocked fails the test unless a stranger's single attempt is refused.
func wantLocked(t testing.TB, l Lock, opts ...filelock.AcquireOption) {
	t.Helper()
	h, err := l.TryAcquire(context.Background(), opts...)
	if err == nil {
		h.Release()
		t.Fatal("a stranger got the lock")
	}
	wantError(t, err, filelock.ErrLocked)
	if errors.Is(err, filelock.ErrTimeout) {
		t.Fatalf("one attempt is called a timeout: %v", err)
	}
}

// wantFree fails the test unless a stranger gets the lock at once.
func wantFree(t testing.TB, l Lock) {
	t.Helper()
	if l.Held() {
		t.Fatal("somebody in this process has the lock")
	}
	h, err := l.TryAcquire(context.Background())
	must(t, err)
	must(t, h.Release())
}

func doNests(t *testing.T, k Kind, path string) {
	l := k.New(path)
	depth := 0
	var down func(ctx context.Context) error
	down = func(ctx context.Context) error {
		if depth++; depth == 1000 {
			if got := l.Depth(ctx); got != 1000 {
				t.Errorf("depth is %d", got)
			}
			wantLocked(t, l)
			return nil
		}
		return l.Do(ctx, down)
	}
	must(t, l.Do(bounded(t), down))
	if depth != 1000 {
		t.Errorf("came %d deep", depth)
	}
	wantFree(t, l)
}

func ownerNestsThroughAnotherObject(t *testing.T, k Kind, path string) {
	all := k.spellings(t, path)
	a, b := k.New(path), k.New(all[min(1, len(all)-1)])
	must(t, a.Do(bounded(t), func(ctx context.Context) error {
		return b.Do(ctx, func(ctx context.Context) error {
			if d := a.Depth(ctx); d != 2 {
				t.Errorf("depth is %d, want 2", d)
			}
			return a.Do(ctx, func(ctx context.Context) error { return nil })
		})
	}))
	wantFree(t, a)
}

// spellings returns several paths that mean the same.
func (k Kind) spellings(t testing.TB, path string) []string {
	if k.NoFile {
		return []string{path}
	}
	dir, base := filepath.Split(path)
	sep := string(filepath.Separator)
	all := []string{path, dir + "." + sep + base}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil {
			all = append(all, rel)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err == nil {
		if _, err := os.Stat(link); err == nil { // wine says it makes links, and does not
			all = append(all, link+sep+base)
		}
	}
	return all
}

func strangersExclude(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	var inside, total atomic.Int32
	var wg sync.WaitGroup
	paths := k.spellings(t, path)
	for i := range 4 * len(paths) {
		wg.Go(func() {
			l := k.New(paths[i%len(paths)])
			for range 5 {
				err := l.Do(ctx, func(context.Context) error {
					if inside.Add(1) != 1 {
						t.Error("two strangers have the lock")
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
	if want := int32(4 * len(paths) * 5); total.Load() != want {
		t.Errorf("the lock was had %d times, want %d", total.Load(), want)
	}
	wantFree(t, k.New(path))
}

func sharedOwner(t *testing.T, k Kind, path string) {
	ctx := context.Background()
	a, b := k.New(path, filelock.WithSharedOwner()), k.New(path, filelock.WithSharedOwner())
	h := acquire(t, ctx, a)
	must(t, b.Do(ctx, func(ctx context.Context) error { // another object, another goroutine in effect: no common context
		if d := b.Depth(ctx); d != 2 {
			t.Errorf("depth is %d, want 2", d)
		}
		return a.Do(ctx, func(context.Context) error { return nil })
	}))
	wantLocked(t, k.New(path)) // a lock without the option has other owners
	must(t, h.Release())
	wantFree(t, a)
}

func withoutNesting(t *testing.T, k Kind, path string) {
	l := k.New(path, filelock.WithoutNesting())
	must(t, l.Do(bounded(t), func(ctx context.Context) error {
		_, err := l.Acquire(ctx)
		wantError(t, err, filelock.ErrLocked)
		if !strings.Contains(err.Error(), "this very process") {
			t.Errorf("the error does not say whose the lock is: %v", err)
		}
		err = l.Do(ctx, func(context.Context) error { t.Error("nested"); return nil })
		wantError(t, err, filelock.ErrLocked)
		return nil
	}))
	wantFree(t, l)
}

func tryOfHeld(t *testing.T, k Kind, path string) {
	l := k.New(path)
	ctx := filelock.WithOwner(context.Background(), filelock.NewOwner("backup"))
	h := acquire(t, ctx, l)
	_, err := k.New(path).TryAcquire(context.Background())
	wantError(t, err, filelock.ErrLocked)
	lockErr := new(filelock.LockError)
	errors.As(err, &lockErr)
	holder, ok := lockErr.Holder()
	if !ok || holder.PID != os.Getpid() || holder.Owner != "backup" || holder.Since.IsZero() {
		t.Errorf("holder is %+v, %v", holder, ok)
	}
	for _, part := range []string{path, "this very process", "backup"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	must(t, h.Release())
}

// tryOfFree has many goroutines try: at any time the lock is free or one of
// them has it, so of those who are refused somebody must have been in.
func tryOfFree(t *testing.T, k Kind, path string) {
	for range fewer(200) {
		var got atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		holds := make(chan *filelock.Hold, 4)
		for range 4 {
			wg.Go(func() {
				<-start
				if h, err := k.New(path).TryAcquire(context.Background()); err == nil {
					got.Add(1)
					holds <- h
				} else if !errors.Is(err, filelock.ErrLocked) {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if got.Load() != 1 {
			t.Fatalf("%d of 4 got the lock", got.Load())
		}
		must(t, (<-holds).Release())
	}
}

func timeout(t *testing.T, k Kind, path string) {
	h := acquire(t, context.Background(), k.New(path))
	_, err := k.New(path, filelock.WithTimeout(20*time.Millisecond)).Acquire(context.Background())
	wantError(t, err, filelock.ErrTimeout, filelock.ErrLocked)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context did not end: %v", err)
	}
	lockErr := new(filelock.LockError)
	errors.As(err, &lockErr)
	if lockErr.Waited < 20*time.Millisecond || !lockErr.Timeout() {
		t.Errorf("waited %v, timeout %v", lockErr.Waited, lockErr.Timeout())
	}
	must(t, h.Release())
	wantFree(t, k.New(path))
}

func optionsOverride(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	h := acquire(t, ctx, k.New(path))
	single := func(err error) bool {
		wantError(t, err, filelock.ErrLocked)
		return !errors.Is(err, filelock.ErrTimeout)
	}
	soon := filelock.WithTimeout(10 * time.Millisecond)
	for _, c := range []struct {
		what   string
		set    []filelock.FileOption
		call   []filelock.AcquireOption
		single bool
	}{
		{"non-blocking beats a timeout of the call", []filelock.FileOption{filelock.NonBlocking()}, []filelock.AcquireOption{soon}, true},
		{"blocking undoes it", []filelock.FileOption{filelock.NonBlocking()}, []filelock.AcquireOption{soon, filelock.Blocking()}, false},
		{"timeout 0 is one attempt", []filelock.FileOption{soon}, []filelock.AcquireOption{filelock.WithTimeout(0)}, true},
		{"non-blocking for one call", []filelock.FileOption{soon}, []filelock.AcquireOption{filelock.NonBlocking()}, true},
		{"the constructor's timeout", []filelock.FileOption{soon}, nil, false},
	} {
		_, err := k.New(path, c.set...).Acquire(ctx, c.call...)
		if single(err) != c.single {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	must(t, h.Release())
}

func deadline(t *testing.T, k Kind, path string) {
	l := k.New(path)
	h := acquire(t, context.Background(), l)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := l.Acquire(ctx)
	wantError(t, err, context.DeadlineExceeded, filelock.ErrTimeout, filelock.ErrLocked)
	must(t, h.Release())
}

func cancelled(t *testing.T, k Kind, path string) {
	l := k.New(path)
	h := acquire(t, context.Background(), l)
	waits := []string{path} // in the queue
	if !k.NoOthers {
		other := k.Elsewhere(t, path+"2")
		defer func() {
			other.Say("release")
			other.Expect("done")
			wantFree(t, k.New(path+"2"))
		}()
		waits = append(waits, path+"2") // in the system
	}
	for _, path := range waits {
		reason := errors.New("the reason")
		ctx, cancel := context.WithCancelCause(context.Background())
		waiting := make(chan struct{})
		go func() { <-waiting; cancel(reason) }()
		_, err := k.New(path, filelock.WithLogger(WhenWaiting(waiting))).Acquire(ctx)
		wantError(t, err, context.Canceled, reason)
		if errors.Is(err, filelock.ErrLocked) {
			t.Errorf("a cancelled wait is called locked: %v", err)
		}
		if !strings.Contains(err.Error(), "pid") && k.Inspects {
			t.Errorf("the error does not say who has the lock: %v", err)
		}
	}
	must(t, h.Release())
	wantFree(t, l)
}

func endedContext(t *testing.T, k Kind, path string) {
	l := k.New(path)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := l.Acquire(ctx)
	wantError(t, err, context.Canceled)
	must(t, l.Do(context.Background(), func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		err := l.Do(ctx, func(context.Context) error { t.Error("nested"); return nil })
		wantError(t, err, context.Canceled)
		return nil
	}))
	wantFree(t, l)
}

func fifo(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	h := acquire(t, ctx, k.New(path))
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	for i := range 10 {
		joined := make(chan struct{})
		l := k.New(path, filelock.WithLogger(WhenWaiting(joined)))
		wg.Go(func() {
			err := l.Do(ctx, func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-joined
	}
	must(t, h.Release())
	wg.Wait()
	if !slices.IsSorted(order) || len(order) != 10 {
		t.Errorf("the order was %v", order)
	}
}

func doReleases(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	failure := errors.New("the function's own")
	if err := l.Do(ctx, func(context.Context) error { return failure }); err != failure {
		t.Errorf("Do returned %v", err)
	}
	wantFree(t, l)
	func() {
		defer func() {
			if r := recover(); r != "boo" {
				t.Errorf("recovered %v", r)
			}
		}()
		l.Do(ctx, func(ctx context.Context) error {
			return l.Do(ctx, func(context.Context) error { panic("boo") })
		})
	}()
	wantFree(t, l)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Do(ctx, func(context.Context) error { runtime.Goexit(); return nil })
	}()
	<-done
	wantFree(t, l)
}

func ownerEnds(t *testing.T, k Kind, path string) {
	l := k.New(path)
	returned := make(chan struct{})
	var inside, total atomic.Int32
	var wg sync.WaitGroup
	must(t, l.Do(context.Background(), func(ctx context.Context) error {
		if _, ok := filelock.OwnerFrom(ctx); !ok {
			t.Error("Do gave the context no owner")
		}
		for range 8 {
			wg.Go(func() {
				<-returned
				if _, ok := filelock.OwnerFrom(ctx); ok {
					t.Error("the owner goes on after its Do")
				}
				for range 5 {
					err := l.Do(ctx, func(context.Context) error {
						if inside.Add(1) != 1 {
							t.Error("two who came out of one Do have the lock")
						}
						time.Sleep(time.Millisecond)
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
		return nil
	}))
	close(returned)
	wg.Wait()
	if total.Load() != 40 {
		t.Errorf("the lock was had %d times, want 40", total.Load())
	}
	wantFree(t, l)
}

func goroutinesShare(t *testing.T, k Kind, path string) {
	l := k.New(path)
	must(t, l.Do(bounded(t), func(ctx context.Context) error {
		// All are inside at once, or this does not return.
		var wg sync.WaitGroup
		var all sync.WaitGroup
		all.Add(8)
		for range 8 {
			wg.Go(func() {
				err := k.New(path).Do(ctx, func(context.Context) error {
					all.Done()
					all.Wait()
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return nil
	}))
	wantFree(t, l)
}

// ownerAheadOfStrangers has an owner wait behind a stranger when another
// goroutine of that owner gets the lock: it must not wait for the stranger,
// who waits for its own owner.
func ownerAheadOfStrangers(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	owned := filelock.WithOwner(ctx, filelock.NewOwner("both"))
	h := acquire(t, ctx, k.New(path))
	var wg sync.WaitGroup
	var both sync.WaitGroup
	both.Add(2)
	queue := func(ctx context.Context, fn func()) {
		joined := make(chan struct{})
		l := k.New(path, filelock.WithLogger(WhenWaiting(joined)))
		wg.Go(func() {
			if err := l.Do(ctx, func(context.Context) error { fn(); return nil }); err != nil {
				t.Error(err)
			}
		})
		<-joined
	}
	meet := func() { both.Done(); both.Wait() }
	queue(owned, meet)
	queue(ctx, func() {})
	queue(owned, meet)
	must(t, h.Release())
	wg.Wait()
}

func anyOrder(t *testing.T, k Kind, path string) {
	l := k.New(path)
	first := acquire(t, context.Background(), l)
	second := acquire(t, first.Context(), l)
	must(t, first.Release())
	wantLocked(t, l)
	third := acquire(t, second.Context(), l) // its owner lives as long as it has a hold
	must(t, second.Release())
	wantLocked(t, l)
	must(t, third.Release())
	wantFree(t, l)
	if _, ok := filelock.OwnerFrom(first.Context()); ok {
		t.Error("the owner goes on after its last hold")
	}
}

func secondRelease(t *testing.T, k Kind, path string) {
	l := k.New(path)
	first := acquire(t, context.Background(), l)
	must(t, first.Release())
	second := acquire(t, context.Background(), l)
	wantError(t, first.Release(), filelock.ErrNotHeld)
	wantLocked(t, l)
	must(t, second.Release())
	var ok, late atomic.Int32
	third := acquire(t, context.Background(), l)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			switch err := third.Release(); {
			case err == nil:
				ok.Add(1)
			case errors.Is(err, filelock.ErrNotHeld):
				late.Add(1)
			}
		})
	}
	wg.Wait()
	if ok.Load() != 1 || late.Load() != 7 {
		t.Errorf("of 8 releases %d succeeded and %d were late", ok.Load(), late.Load())
	}
}

func forceRelease(t *testing.T, k Kind, path string) {
	l := k.New(path)
	must(t, l.Do(context.Background(), func(ctx context.Context) error {
		nested := acquire(t, ctx, l)
		must(t, l.ForceRelease(ctx))
		wantFree(t, l)
		if d := l.Depth(ctx); d != 0 {
			t.Errorf("depth is %d", d)
		}
		wantError(t, nested.Release(), filelock.ErrNotHeld)
		return nil
	}))
	wantFree(t, l)
}

func forceReleaseByStranger(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	wantError(t, l.ForceRelease(ctx), filelock.ErrNotHeld)
	h := acquire(t, ctx, l)
	wantError(t, l.ForceRelease(ctx), filelock.ErrNotOwner)
	wantError(t, l.ForceRelease(filelock.WithOwner(ctx, filelock.NewOwner("stranger"))), filelock.ErrNotOwner)
	wantLocked(t, l)
	must(t, h.Release())
}

func releaseAll(t *testing.T, k Kind, path string) {
	ctx := context.Background()
	a, b := k.New(path), k.New(path+"2")
	ha := acquire(t, ctx, a)
	nested := acquire(t, ha.Context(), a)
	hb := acquire(t, ctx, b)
	must(t, filelock.ReleaseAll())
	wantFree(t, a)
	wantFree(t, b)
	for _, h := range []*filelock.Hold{ha, nested, hb} {
		wantError(t, h.Release(), filelock.ErrNotHeld)
	}
	must(t, filelock.ReleaseAll())
}

func droppedHold(t *testing.T, k Kind, path string) {
	ctx := context.Background()
	if _, err := k.New(path).TryAcquire(ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC()
	}
	wantLocked(t, k.New(path))
	if !k.NoOthers && k.Try(t, path) == "done" {
		t.Error("another process got a lock whose Hold was dropped")
	}
	must(t, filelock.ReleaseAll())
}

func holdContext(t *testing.T, k Kind, path string) {
	type key struct{}
	l := k.New(path)
	owner := filelock.NewOwner("mine")
	ctx := context.WithValue(filelock.WithOwner(context.Background(), owner), key{}, "value")
	h := acquire(t, ctx, l)
	inner := h.Context()
	if o, ok := filelock.OwnerFrom(inner); !ok || o != owner || o.Name() != "mine" {
		t.Errorf("the hold's owner is %v, %v", o, ok)
	}
	if inner.Value(key{}) != "value" || inner.Err() != nil {
		t.Error("the context is not that of the acquisition")
	}
	if (h.Lost() != nil) != k.CanBreak {
		t.Errorf("Lost() is %v", h.Lost())
	}
	if (h.Token() != 0) != k.HasTokens {
		t.Errorf("token is %d", h.Token())
	}
	ctx, cancel := context.WithCancel(ctx)
	nested := acquire(t, ctx, l)
	derived, stop := context.WithCancel(nested.Context())
	defer stop()
	cancel()
	<-derived.Done() // follows the context it was made of
	must(t, nested.Release())
	must(t, h.Release())
}

func readersShare(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	a := acquire(t, ctx, k.New(path), filelock.Shared())
	b := acquire(t, ctx, k.New(path, filelock.Shared()))
	wantLocked(t, k.New(path))
	must(t, a.Release())
	wantLocked(t, k.New(path))
	c := acquire(t, ctx, k.New(path), filelock.Shared())
	must(t, b.Release())
	must(t, c.Release())
	h := acquire(t, ctx, k.New(path, filelock.Shared()), filelock.Exclusive())
	wantLocked(t, k.New(path), filelock.Shared())
	must(t, h.Release())
	wantFree(t, k.New(path))
}

func writerNotOvertaken(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	reader := acquire(t, ctx, k.New(path), filelock.Shared())
	joined := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- k.New(path, filelock.WithLogger(WhenWaiting(joined))).Do(ctx, func(context.Context) error { return nil })
	}()
	<-joined
	wantLocked(t, k.New(path), filelock.Shared())                                   // a new reader is not let past the writer
	must(t, acquire(t, reader.Context(), k.New(path, filelock.Shared())).Release()) // the reader itself nests
	must(t, reader.Release())
	must(t, <-written)
}

func sharedInExclusive(t *testing.T, k Kind, path string) {
	l := k.New(path)
	outer := acquire(t, context.Background(), l)
	inner := acquire(t, outer.Context(), l, filelock.Shared())
	must(t, outer.Release())
	wantLocked(t, l, filelock.Shared()) // still exclusive, as the first hold was
	must(t, inner.Release())
	wantFree(t, l)
}

func upgrade(t *testing.T, k Kind, path string) {
	l := k.New(path)
	must(t, l.Do(context.Background(), func(ctx context.Context) error {
		_, err := l.Acquire(ctx, filelock.Exclusive())
		wantError(t, err, filelock.ErrUpgrade)
		err = l.Do(ctx, func(context.Context) error { t.Error("upgraded"); return nil })
		wantError(t, err, filelock.ErrUpgrade)
		must(t, acquire(t, context.Background(), l, filelock.Shared()).Release()) // still shared
		return nil
	}, filelock.Shared()))
	wantFree(t, l)
}

func sharedUnsupported(t *testing.T, k Kind, path string) {
	l := k.New(path)
	_, err := l.Acquire(context.Background(), filelock.Shared())
	wantError(t, err, filelock.ErrUnsupported, errors.ErrUnsupported)
	wantFree(t, l)
}

// cross has each of some owners take a lock of its own, and then wait for that
// of the next, and returns the errors of these waits.
func cross(t *testing.T, k Kind, path string, n int, opts ...filelock.AcquireOption) []error {
	ctx, cancel := context.WithCancel(context.Background()) // no deadline
	defer cancel()
	stop := time.AfterFunc(within, cancel)
	defer stop.Stop()
	errs := make([]error, n)
	var wg, first sync.WaitGroup
	first.Add(n)
	lock := func(i int) Lock { return k.New(path + string(rune('a'+i%n))) }
	for i := range n {
		wg.Go(func() {
			must := func(err error) {
				if err != nil {
					t.Error(err)
				}
			}
			must(lock(i).Do(ctx, func(ctx context.Context) error {
				first.Done()
				first.Wait()
				errs[i] = lock(i+1).Do(ctx, func(context.Context) error { return nil }, opts...)
				return nil
			}))
		})
	}
	wg.Wait()
	return errs
}

func countDeadlocks(t *testing.T, errs []error, want int) {
	t.Helper()
	n := 0
	for _, err := range errs {
		if errors.Is(err, filelock.ErrDeadlock) {
			n++
			wantError(t, err, filelock.ErrDeadlock)
		} else if err != nil {
			t.Error(err)
		}
	}
	if n != want {
		t.Errorf("%d owners were told of a deadlock, want %d: %v", n, want, errs)
	}
}

func cycle(t *testing.T, k Kind, path string) { countDeadlocks(t, cross(t, k, path, 2), 1) }

func cycleOfThree(t *testing.T, k Kind, path string) { countDeadlocks(t, cross(t, k, path, 3), 1) }

func cycleWithDeadline(t *testing.T, k Kind, path string) {
	errs := cross(t, k, path, 2, filelock.WithTimeout(50*time.Millisecond))
	for _, err := range errs {
		if errors.Is(err, filelock.ErrDeadlock) {
			t.Errorf("a wait that ends by itself is called a deadlock: %v", err)
		}
	}
	if !errors.Is(errs[0], filelock.ErrTimeout) && !errors.Is(errs[1], filelock.ErrTimeout) {
		t.Errorf("neither wait ran out: %v", errs)
	}
}

func secondName(t *testing.T, k Kind, path string) {
	l := k.New(path)
	must(t, l.Do(bounded(t), func(ctx context.Context) error {
		other := path + "2"
		must(t, os.Link(path, other))
		_, err := k.New(other).Acquire(context.WithoutCancel(ctx))
		wantError(t, err, filelock.ErrDeadlock)
		_, err = k.New(other).Acquire(ctx) // with a deadline, too, there is nothing to wait for
		wantError(t, err, filelock.ErrDeadlock)
		_, err = k.New(other).TryAcquire(ctx)
		wantError(t, err, filelock.ErrLocked)
		return os.Remove(other)
	}))
}

func otherProcess(t *testing.T, k Kind, path string) {
	l := k.New(path)
	p := k.Elsewhere(t, path)
	_, err := l.TryAcquire(context.Background())
	wantError(t, err, filelock.ErrLocked)
	if k.Inspects {
		lockErr := new(filelock.LockError)
		errors.As(err, &lockErr)
		h, ok := lockErr.Holder()
		described := !k.NoFile && !Sandboxed()
		if !ok || h.PID != p.PID() || described && (h.Command == "" || h.Started.IsZero()) {
			t.Errorf("holder is %+v, %v; want pid %d", h, ok, p.PID())
		}
		if described && !strings.Contains(err.Error(), "started") {
			t.Errorf("the error does not say since when: %v", err)
		}
	}
	wantError(t, l.ForceRelease(context.Background()), map[bool]error{true: filelock.ErrNotOwner, false: filelock.ErrNotHeld}[k.Inspects])
	p.Say("release")
	p.Expect("done")
	h := acquire(t, context.Background(), l)
	if got := k.Try(t, path); got == "done" {
		t.Error("another process got the lock")
	}
	must(t, h.Release())
}

// Try returns what a process says that tries once to get the lock.
func (k Kind) Try(t testing.TB, path string, shared ...string) string {
	t.Helper()
	p := testproc.Start(t, "hold "+k.Name, append([]string{path}, shared...)...)
	p.Say("try")
	line := p.Line()
	if line == "done" {
		p.Say("release")
		p.Expect("done")
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	return line
}

func otherProcessShares(t *testing.T, k Kind, path string) {
	ctx := bounded(t)
	p := k.Elsewhere(t, path, "shared")
	h := acquire(t, ctx, k.New(path), filelock.Shared())
	must(t, h.Release())
	wantLocked(t, k.New(path))
	p.Say("release")
	p.Expect("done")
	h = acquire(t, ctx, k.New(path), filelock.Shared())
	if got := k.Try(t, path, "shared"); got != "done" {
		t.Errorf("another process could not share the lock: %s", got)
	}
	if got := k.Try(t, path); got == "done" {
		t.Error("another process got the lock exclusively")
	}
	must(t, h.Release())
}

func killedHolder(t *testing.T, k Kind, path string) {
	p := k.Elsewhere(t, path)
	got := make(chan *filelock.Hold)
	joined := make(chan struct{})
	l := k.New(path, filelock.WithLogger(WhenWaiting(joined)))
	go func() {
		h, err := l.Acquire(bounded(t))
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	<-joined
	p.Kill()
	must(t, (<-got).Release())
}

func releaseElsewhere(t *testing.T, k Kind, path string) {
	p := k.Elsewhere(t, path)
	got := make(chan *filelock.Hold)
	joined := make(chan struct{})
	l := k.New(path, filelock.WithLogger(WhenWaiting(joined)))
	go func() {
		h, err := l.Acquire(bounded(t))
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	<-joined
	p.Say("release")
	p.Expect("done")
	must(t, (<-got).Release())
}

func inspect(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	s, err := l.Inspect(ctx)
	if err != nil || s.Held {
		t.Errorf("a lock without a file: %+v, %v", s, err)
	}
	must(t, l.Break(ctx, s)) // nothing to do
	h := acquire(t, ctx, l)
	s, err = l.Inspect(ctx)
	if err != nil || !s.Held || s.Shared || len(s.Holders) != 1 || s.Holders[0].PID != os.Getpid() {
		t.Errorf("this process has it: %+v, %v", s, err)
	}
	if !k.NoFile {
		inspectsUnchanged(t, k, path)
	}
	wantLocked(t, l)
	must(t, h.Release())
	if !k.Inspects {
		return
	}
	p := k.Elsewhere(t, path)
	s, err = l.Inspect(ctx)
	if err != nil || !s.Held || s.Stale || len(s.Holders) != 1 || s.Holders[0].PID != p.PID() {
		t.Errorf("process %d has it: %+v, %v", p.PID(), s, err)
	}
	p.Say("release")
	p.Expect("done")
	if s, err = l.Inspect(ctx); err != nil || s.Held {
		t.Errorf("nobody has it: %+v, %v", s, err)
	}
}

// inspectAsks has a lock be taken that was believed to be free until a file server was
// asked again.
func inspectAsks(t *testing.T, k Kind, path string) {
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, asked string) error {
		if op == fault.Stat && asked == filepath.Dir(path)+"/" {
			return os.WriteFile(k.lockFile(path), []byte("taken"), 0o666)
		}
		return nil
	}})
	s, err := k.New(path).Inspect(bounded(t))
	remove()
	must(t, err)
	if !s.Held {
		t.Errorf("of a lock that is held by now: %+v", s)
	}
	must(t, os.Remove(k.lockFile(path)))
}

func inspectsUnchanged(t *testing.T, k Kind, path string) {
	before, err := os.Lstat(k.lockFile(path))
	must(t, err)
	if _, err = k.New(path).Inspect(context.Background()); err != nil {
		t.Error(err)
	}
	after, err := os.Lstat(k.lockFile(path))
	must(t, err)
	if !os.SameFile(before, after) || before.ModTime() != after.ModTime() || before.Size() != after.Size() {
		t.Errorf("inspecting changed the file: %v, %v", before, after)
	}
}

func breakUnsupported(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	p := k.Elsewhere(t, path)
	s, _ := l.Inspect(ctx)
	s.Held = true
	err := l.Break(ctx, s)
	wantError(t, err, filelock.ErrUnsupported)
	if k.Inspects && !strings.Contains(err.Error(), "pid") {
		t.Errorf("the error does not say which process would have to end: %v", err)
	}
	wantLocked(t, l)
	p.Kill()
}

func breakHold(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	h := acquire(t, ctx, l)
	s, err := l.Inspect(ctx)
	must(t, err)
	must(t, l.Break(ctx, s))
	select {
	case <-h.Lost():
	case <-time.After(within):
		t.Fatal("the holder is not told")
	}
	<-h.Context().Done()
	if cause := context.Cause(h.Context()); !errors.Is(cause, filelock.ErrLost) {
		t.Errorf("the cause is %v", cause)
	}
	_, err = l.Acquire(filelock.WithOwner(ctx, mustOwner(t, h.Context())))
	wantError(t, err, filelock.ErrLost) // there is nothing to nest in
	wantError(t, h.Release(), filelock.ErrLost)
	wantError(t, h.Release(), filelock.ErrNotHeld)
	wantFree(t, l)
}

func mustOwner(t testing.TB, ctx context.Context) *filelock.Owner {
	o, ok := filelock.OwnerFrom(ctx)
	if !ok {
		t.Fatal("the context has no owner")
	}
	return o
}

func breakSparesSuccessor(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	p := k.Elsewhere(t, path)
	s, err := l.Inspect(ctx)
	must(t, err)
	p.Say("release")
	p.Expect("done")
	wantError(t, l.Break(ctx, s), filelock.ErrLost) // nobody has it
	p.Say("acquire")
	p.Expect("done")
	wantError(t, l.Break(ctx, s), filelock.ErrLost) // the same process has it again
	wantLocked(t, l)
	if s, err = l.Inspect(ctx); err != nil {
		t.Fatal(err)
	}
	must(t, l.Break(ctx, s))
	wantFree(t, l)
	p.Kill()
}

// unreadableMarker has somebody be faster, whose marker nobody else may read: he is
// another user, or is comparing it just then.
func unreadableMarker(t *testing.T, k Kind, path string) {
	at := k.lockFile(path)
	naming := []fault.Op{fault.Link, fault.Create, fault.Mkdir, fault.Symlink}
	refusals := []error{sys.ErrBusy}
	if canGiveAway(t) || runtime.GOOS == "windows" {
		refusals = append(refusals, fs.ErrPermission)
	}
	for _, refusal := range refusals {
		faster := false
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, on string) error {
			switch {
			case on != at:
			case op == fault.Open && faster:
				return refusal
			case slices.Contains(naming, op) && !faster:
				faster = true
				err := os.WriteFile(at, []byte("another's"), 0o666)
				giveAway(at)
				return err
			}
			return nil
		}})
		h, err := k.New(path).TryAcquire(bounded(t))
		remove()
		if h != nil || !faster {
			t.Fatalf("%v: %v, %v", refusal, h, err)
		}
		wantError(t, err, filelock.ErrLocked)
		must(t, filelock.ReleaseAll()) // nothing is owed
		if content, err := os.ReadFile(at); err != nil || string(content) != "another's" {
			t.Errorf("%v: what was another's is %q, %v", refusal, content, err)
		}
		must(t, os.Remove(at))
		wantFree(t, k.New(path))
	}
}

// canGiveAway reports whether this process can make a file another user's.
func canGiveAway(t *testing.T) bool {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o666))
	return giveAway(file) == nil
}

func giveAway(file string) error { return os.Chown(file, testproc.Nobody, -1) }

func missingDirectory(t *testing.T, k Kind, path string) {
	ctx := context.Background()
	deep := filepath.Join(filepath.Dir(path), "sub", "deep", "x.lock")
	_, err := k.New(deep).Acquire(ctx)
	wantError(t, err, fs.ErrNotExist)
	if errors.Is(err, filelock.ErrLocked) {
		t.Errorf("a missing directory is called locked: %v", err)
	}
	if s, err := k.New(deep).Inspect(ctx); err != nil || s.Held {
		t.Errorf("inspecting it: %+v, %v", s, err)
	}
	if k.New(deep).Held() {
		t.Error("it is held")
	}
	if k.Bare {
		return
	}
	l := k.New(deep, filelock.WithParents(0o700))
	must(t, acquire(t, ctx, l).Release())
	if runtime.GOOS != "windows" {
		fi, err := os.Stat(filepath.Dir(deep))
		must(t, err)
		if fi.Mode().Perm() != 0o700 {
			t.Errorf("the directory's mode is %v", fi.Mode())
		}
	}
	must(t, os.RemoveAll(filepath.Join(filepath.Dir(path), "sub")))
}

func decorators(t *testing.T, k Kind, path string) {
	l, ctx := k.New(path), context.Background()
	calls := 0
	guarded := l.Guard(func(ctx context.Context) error {
		calls++
		if l.Depth(ctx) != calls {
			t.Errorf("depth is %d in call %d", l.Depth(ctx), calls)
		}
		if calls < 3 {
			return l.Guard(func(context.Context) error { calls++; return nil })(ctx)
		}
		return nil
	})
	must(t, guarded(ctx))
	n, err := filelock.Call(ctx, l, func(context.Context) (int, error) { wantLocked(t, l); return 42, nil })
	if n != 42 || err != nil {
		t.Errorf("Call: %d, %v", n, err)
	}
	failure := errors.New("odd")
	half := filelock.GuardFunc(l, func(ctx context.Context, n int) (int, error) {
		if n%2 != 0 {
			return n / 2, failure
		}
		return n / 2, nil
	})
	if n, err := half(ctx, 10); n != 5 || err != nil {
		t.Errorf("half of 10: %d, %v", n, err)
	}
	if n, err := half(ctx, 11); n != 5 || err != failure {
		t.Errorf("half of 11: %d, %v", n, err)
	}
	h := acquire(t, ctx, l)
	n, err = filelock.Call(ctx, l, func(context.Context) (int, error) { return 1, nil }, filelock.NonBlocking())
	if n != 0 || !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("Call of a lock that is held: %d, %v", n, err)
	}
	must(t, h.Release())
}

func nonsense(t *testing.T, k Kind, path string) {
	ctx := context.Background()
	locks := map[string]Lock{
		"no path":          k.New(""),
		"a negative pause": k.New(path, filelock.WithPollInterval(-1)),
	}
	if !k.Bare && !k.NoFile {
		locks["a mode with a type"] = k.New(path, filelock.WithMode(fs.ModeDir|0o777))
		locks["an unknown field"] = k.New(path, filelock.WithContent("{nobody}"))
		locks["a stray brace"] = k.New(path, filelock.WithContent("{"))
	}
	for what, l := range locks {
		_, err := l.Acquire(ctx)
		if !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: Acquire returned %v", what, err)
		}
		if _, err := l.Inspect(ctx); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: Inspect returned %v", what, err)
		}
		if l.Held() {
			t.Errorf("%s: it is held", what)
		}
	}
}
