package filesystems

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lease"
)

// flags are those of chattr(1) that bind root as well, ioctl_iflags(2).
var flags = map[string]int{"immutable": 0x10, "append only": 0x20}

// moreKinds write more than others, or take more away.
var moreKinds = []locktest.Kind{
	contentKind,
	systemKind("remove", filelock.WithRemove()),
	leaseOf("fenced lease", lease.Config{Lifetime: 4 * time.Second, Slop: time.Second, Fencing: true}),
}

func init() { maps.Copy(roles, locktest.Roles(moreKinds...)) }

// A flagged lock is one whose files get flags that keep everybody from changing
// them.
type flagged struct {
	kind      locktest.Kind
	flag      int
	dir, path string
	lock      locktest.Lock
	other     *testproc.Proc

	trials, failed int
}

// TestLaw18FlagsThatKeepEverybodyFromChangingFiles has each kind of lock meet the
// flags of chattr(1), on its directory, on its file and on what is in that.
func TestLaw18FlagsThatKeepEverybodyFromChangingFiles(t *testing.T) {
	top, met, failed := disk(t, 64, "ext4"), map[string]int{}, map[string]int{}
	all := append(kinds[:len(kinds):len(kinds)], moreKinds...)
	for _, k := range all {
		for name, flag := range flags {
			t.Run(k.Name+" "+name, func(t *testing.T) {
				f := newFlagged(t, k, flag, newDirIn(t, top))
				for where, paths := range f.places() {
					if where == "directory" || !f.isLease() { // which is the dead one's for its time
						f.meets(t, where+" before it is acquired", f.acquire, paths)
					}
					f.meets(t, where+" while it is held", f.release, paths)
					if k.CanBreak {
						f.meets(t, where+" of a dead holder", f.breakDead, paths)
					}
				}
				t.Logf("%d trials, %d errors", f.trials, f.failed)
				met[name]++
				failed[name] += f.failed
			})
		}
	}
	for name := range flags {
		if met[name] == len(all) && failed[name] < len(kinds) {
			t.Errorf("%s: %d errors: the flags do not reach the locks", name, failed[name])
		}
	}
}

// TestLaw13LeaseThatNobodyMayRenewIsLost has the file of a lease be one that nobody
// may change: its holder is told, and it is free when it may be changed again.
func TestLaw13LeaseThatNobodyMayRenewIsLost(t *testing.T) {
	t.Parallel()
	top, k := disk(t, 64, "ext4"), leaseKind(2*time.Second)
	for name, flag := range flags {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlagged(t, k, flag, newDirIn(t, top))
			h, err := f.lock.Acquire(t.Context())
			must(t, err)
			clear := f.setFlags(t, []string{f.path})
			defer clear()
			<-h.Context().Done()
			verify.Is(t, context.Cause(h.Context()), filelock.ErrLost, unix.EPERM)
			f.wantOther(t, "try", false)
			f.check(t, h.Release())
			clear()
			verify.Is(t, h.Release(), filelock.ErrLost)
			f.wantOther(t, "try", true)
			f.wantOther(t, "release", true)
			if left := list(t, f.dir); left != "" {
				t.Errorf("%s is left behind", left)
			}
		})
	}
}

func newFlagged(t *testing.T, k locktest.Kind, flag int, dir string) *flagged {
	f := &flagged{kind: k, flag: flag, dir: dir, path: filepath.Join(dir, "x.lock")}
	f.lock = k.New(f.path)
	f.other = testproc.Start(t, "hold "+k.Name, f.path)
	return f
}

// places are where flags can be: each function returns what is there by then. A
// symbolic link has none.
func (f *flagged) places() map[string]func() []string {
	file := f.path
	if f.kind.LockFile != nil {
		file = f.kind.LockFile(f.path)
	}
	all := map[string]func() []string{"directory": func() []string { return []string{f.dir} }}
	if f.kind.Name != "symlink" {
		all["file"] = func() []string { return []string{file} }
	}
	if f.kind.Name == "mkdir" {
		all["file inside"] = func() []string { inside, _ := filepath.Glob(file + "/*"); return inside }
	}
	return all
}

// meets runs one trial, which sets the flags and clears them again. After it the
// lock can be had by everybody, and nothing is left of it.
func (f *flagged) meets(t *testing.T, name string, trial func(*testing.T, context.Context, func() []string), paths func() []string) {
	t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		before := locktest.Descriptors(t)
		f.trials++
		trial(t, ctx, paths)
		if f.lock.Held() {
			t.Error("the lock is held still")
		}
		f.wantOther(t, "try", true)
		f.wantOther(t, "release", true)
		h, err := f.lock.Acquire(ctx)
		must(t, err)
		must(t, h.Release())
		f.leavesNothing(t, before)
	})
}

// acquire has the flags be there first; those of a file on that of the lock, or on
// the marker of a dead holder.
func (f *flagged) acquire(t *testing.T, ctx context.Context, paths func() []string) {
	on := paths()
	ofFile := len(on) == 0 || on[0] != f.dir
	if ofFile {
		f.holderDies(t)
	}
	clear := f.setFlags(t, paths())
	defer clear()
	h, err := f.lock.TryAcquire(ctx)
	switch {
	case err == nil:
		f.ends(t, h, clear)
	case ofFile && f.kind.Name == "flock":
		t.Errorf("what cannot be written is not locked: %v", err)
	default:
		f.check(t, err)
	}
}

// release has the flags be set while the lock is held.
func (f *flagged) release(t *testing.T, ctx context.Context, paths func() []string) {
	h, err := f.lock.Acquire(ctx)
	must(t, err)
	clear := f.setFlags(t, paths())
	defer clear()
	f.ends(t, h, clear)
}

// ends gives back a lock under flags, and again without them if that failed.
func (f *flagged) ends(t *testing.T, h *filelock.Hold, clear func()) {
	t.Helper()
	f.wantOther(t, "try", false)
	err := h.Release()
	if err == nil {
		return
	}
	f.check(t, err)
	held := f.lock.Held()
	if held {
		f.wantOther(t, "try", false)
	}
	clear()
	if err = h.Release(); err == nil != held || err != nil && !errors.Is(err, filelock.ErrNotHeld) {
		t.Errorf("held after the release had failed: %v, but without the flags another one: %v", held, err)
	}
}

// breakDead breaks what a dead process has left.
func (f *flagged) breakDead(t *testing.T, ctx context.Context, paths func() []string) {
	f.holderDies(t)
	clear := f.setFlags(t, paths())
	defer clear()
	breakIt := func() error {
		s, err := f.lock.Inspect(ctx)
		must(t, err)
		if !s.Held {
			t.Error("the lock of a dead process is not seen")
		}
		return f.lock.Break(ctx, s)
	}
	if err := breakIt(); err != nil {
		f.check(t, err)
		clear()
		must(t, breakIt())
	}
}

// holderDies leaves the lock of a process that is killed.
func (f *flagged) holderDies(t *testing.T) {
	t.Run("holder dies", func(t *testing.T) { f.kind.Elsewhere(t, f.path).Kill() }) // and closes what the test has of it
}

func (f *flagged) isLease() bool { return strings.Contains(f.kind.Name, "lease") }

// check makes sure that an error is the system's, and says where it is from.
func (f *flagged) check(t *testing.T, err error) {
	t.Helper()
	f.failed++
	verify.Is(t, err, fs.ErrPermission, unix.EPERM)
	if e := new(filelock.LockError); !errors.As(err, &e) || !strings.Contains(err.Error(), f.path) {
		t.Errorf("the error does not name the lock: %v", err)
	}
	for _, not := range []error{filelock.ErrLocked, filelock.ErrLost, filelock.ErrNotHeld, filelock.ErrUnsupported, context.DeadlineExceeded} {
		if errors.Is(err, not) {
			t.Errorf("the error matches %v: %v", not, err)
		}
	}
}

// wantOther has another process do something, which succeeds, or does not as
// somebody has the lock.
func (f *flagged) wantOther(t *testing.T, command string, done bool) {
	t.Helper()
	f.other.Say(command)
	said := f.other.Line()
	refused := strings.Contains(said, "locked by") || strings.Contains(said, "operation not permitted") // to open the file
	if (said == "done") != done || !done && !refused {
		t.Errorf("another process was told to %s: %s", command, said)
	}
}

// leavesNothing makes sure that there is no more than usual, and clears that away.
func (f *flagged) leavesNothing(t *testing.T, descriptors int) {
	t.Helper()
	must(t, filelock.ReleaseAll())
	if n := locktest.Descriptors(t); n != descriptors {
		t.Errorf("%d descriptors are open, %d before", n, descriptors)
	}
	for end := time.Now().Add(30 * time.Second); strings.Contains(list(t, f.dir), ".claim") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // the other process keeps one for a moment
	}
	for _, name := range strings.Fields(list(t, f.dir)) {
		if name != "x.lock.token" && (name != "x.lock" || !f.kind.Leaves) {
			t.Errorf("%s is left behind", name)
		}
		must(t, os.RemoveAll(filepath.Join(f.dir, name)))
	}
}

// setFlags sets the flag of files, and returns what clears it once.
func (f *flagged) setFlags(t *testing.T, paths []string) (clear func()) {
	t.Helper()
	if len(paths) == 0 {
		t.Fatal("there is no file to set flags of")
	}
	var undo []func()
	for _, path := range paths {
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		must(t, err)
		before, err := unix.IoctlGetInt(int(file.Fd()), unix.FS_IOC_GETFLAGS)
		must(t, err)
		must(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, before|f.flag))
		must(t, file.Close())
		undo = append(undo, func() {
			file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
			must(t, err)
			must(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, before))
			must(t, file.Close())
		})
	}
	return func() {
		for _, do := range undo {
			do()
		}
		undo = nil
	}
}
