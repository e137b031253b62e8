package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

// flockSays returns the exit status of flock -n on path: 0 if it was free.
func flockSays(t testing.TB, path string) int {
	t.Helper()
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("flock(1) is not installed")
	}
	cmd := exec.Command(flock, "-n", path, "true")
	cmd.Run()
	return cmd.ProcessState.ExitCode()
}

func TestLaw01LockedFileIsTheOneThatThePathNames(t *testing.T) {
	for what, change := range map[string]func(path string) error{
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", nil, 0o666), os.Rename(path+"2", path))
		},
		"removed": os.Remove,
	} {
		for _, op := range []fault.Op{fault.Lock, fault.Fstat, fault.Lstat} {
			path := lockPath(t)
			write(t, path, "")
			remove := fault.Install(fault.AtFirst(op, func() { must(t, change(path)) }))
			h, err := filelock.New(path).Acquire(bg)
			remove()
			must(t, err)
			locked, err := h.File().Stat()
			must(t, err)
			if named, err := os.Stat(path); err != nil || !os.SameFile(locked, named) {
				t.Errorf("%s ahead of %s: another file is locked, %v", what, op, err)
			}
			if got := flockSays(t, path); got != 1 {
				t.Errorf("%s ahead of %s: flock -n says %d", what, op, got)
			}
			must(t, h.Release())
		}
	}
}

// TestLaw01WaiterFollowsAReplacedFile has the file replaced while somebody
// waits: the holder of the old one is no longer in the way.
func TestLaw01WaiterFollowsAReplacedFile(t *testing.T) {
	path := lockPath(t)
	p := flockKind.Elsewhere(t, path)
	waiting, got := make(chan struct{}), make(chan error)
	go func() {
		l := filelock.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting)))
		h, err := l.Acquire(bg, filelock.WithTimeout(10*time.Second))
		if err == nil {
			err = h.Release()
		}
		got <- err
	}()
	<-waiting
	write(t, path+"2", "")
	must(t, os.Rename(path+"2", path))
	must(t, <-got)
	p.Kill()
}

// TestLaw01ServerIsAskedWhatThePathNames: what it has said before may be of a file
// that others have removed since.
func TestLaw01ServerIsAskedWhatThePathNames(t *testing.T) {
	t.Setenv("TMPDIR", "/dev/shm") // on no disk, so it may be a server's
	path := lockPath(t)
	var order []string
	uninstall := fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
		switch op {
		case fault.Lock, fault.Stat, fault.Lstat:
			order = append(order, string(op)+" "+path)
		}
		return nil
	}})
	h, err := filelock.New(path).Acquire(bg)
	uninstall()
	must(t, err)
	must(t, h.Release())
	if last := order[max(0, len(order)-3):]; !slices.Equal(last, []string{"lock ", "stat " + filepath.Dir(path) + "/", "lstat " + path}) {
		t.Errorf("%q", order)
	}
}

// TestLaw22ContentIsNotWrittenElsewhere has a stranger link a file of the user's,
// or a link to it, to where the lock file is to be, and take it away again.
func TestLaw22ContentIsNotWrittenElsewhere(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "precious")
	for _, op := range []fault.Op{fault.Open, fault.Lock, fault.Fstat, fault.Lstat, fault.Write} {
		for _, again := range []bool{false, true} {
			path := lockPath(t)
			write(t, precious, "precious")
			must(t, os.Link(precious, path))
			if again {
				remove := fault.Install(fault.AtFirst(op, func() { must(t, errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o666))) }))
				h, err := filelock.New(path, filelock.WithContent("{pid}\n")).Acquire(bg)
				remove()
				if err == nil {
					must(t, h.Release())
				}
			} else {
				_, err := filelock.New(path, filelock.WithContent("{pid}\n")).Acquire(bg)
				want(t, err, fs.ErrInvalid)
			}
			if got, err := os.ReadFile(precious); err != nil || string(got) != "precious" {
				t.Fatalf("another file says %q, %v, after a change ahead of %s", got, err, op)
			}
		}
	}
}

func TestLaw04RefusedUpgradeKeepsTheSharedLock(t *testing.T) {
	path := lockPath(t)
	must(t, filelock.New(path, filelock.Shared()).Do(bg, func(ctx context.Context) error {
		_, err := filelock.New(path).Acquire(ctx)
		want(t, err, filelock.ErrUpgrade)
		if got := flockSays(t, path); got != 1 {
			t.Errorf("after a refused upgrade flock -n says %d", got)
		}
		return nil
	}))
}

func TestLaw15ChildThatInheritsReleasesNothing(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	cmd := exec.Command("true") // closes all it has inherited
	cmd.ExtraFiles = []*os.File{h.File()}
	must(t, cmd.Run())
	if got := flockSays(t, path); got != 1 {
		t.Errorf("a child's end gave the lock back: flock -n says %d", got)
	}
	must(t, h.Release())
}

func TestLaw16ReleaseFreesWhatAChildHasInherited(t *testing.T) {
	for _, k := range kinds()[:2] {
		path := lockPath(t)
		h, err := k.New(path).Acquire(bg)
		must(t, err)
		cmd := exec.Command("cat") // for as long as we are there
		cmd.ExtraFiles = []*os.File{h.File()}
		heir := testproc.StartCommand(t, cmd)
		must(t, h.Release())
		p := testproc.Start(t, "hold "+k.Name, path)
		p.Say("try")
		p.Expect("done")
		p.Kill()
		heir.Kill()
	}
}

func TestInheritedFileKeepsTheLockOfAKilledHolder(t *testing.T) {
	path := lockPath(t)
	p := testproc.Start(t, "bequeath", path)
	var heir int
	fmt.Sscan(p.Line(), &heir)
	p.Kill()
	_, err := filelock.New(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if !strings.Contains(err.Error(), fmt.Sprintf("pid %d (sleep", heir)) {
		t.Errorf("the heir %d is not named: %v", heir, err)
	}
	must(t, unix.Kill(heir, unix.SIGKILL))
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	must(t, h.Release())
}

func init() { roles["bequeath"] = bequeath }

// bequeath is a process that takes a lock, gives a child its file, and waits.
func bequeath(args []string) error {
	h, err := filelock.New(args[0]).Acquire(bg)
	if err != nil {
		return err
	}
	cmd := exec.Command("sleep", "60")
	cmd.ExtraFiles = []*os.File{h.File()}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(cmd.Process.Pid)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestLaw17CancelledAcquisitionLeavesNothing(t *testing.T) {
	for _, k := range kinds() {
		path := lockPath(t)
		goroutines := runtime.NumGoroutine()
		p := k.Elsewhere(t, path)
		during := descriptors(t) // with p's pipes
		for i := range 50 {
			ctx, cancel := context.WithCancel(bg)
			go func() {
				time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				cancel()
			}()
			if h, err := k.New(path).Acquire(ctx); !errors.Is(err, context.Canceled) || h != nil {
				t.Errorf("%s: %v, %v", k.Name, h, err)
			}
		}
		checkDescriptors(t, during)
		if k.New(path).Held() {
			t.Errorf("%s: it is held", k.Name)
		}
		p.Say("release")
		p.Expect("done")
		p.Say("acquire") // nobody has got it in the meantime
		p.Expect("done")
		p.Kill()
		for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if now := runtime.NumGoroutine(); now > goroutines {
			t.Errorf("%s: %d goroutines, %d before", k.Name, now, goroutines)
		}
	}
}

// TestLaw21InspectingKeepsARecordLock would lose a lock of this process if
// Inspect opened and closed the file.
func TestLaw21InspectingKeepsARecordLock(t *testing.T) {
	path := lockPath(t)
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	must(t, unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	for _, k := range kinds()[:2] {
		s, err := k.New(path).Inspect(bg)
		if err != nil || s.Held != (k.Name == "record") {
			t.Errorf("%s: %+v, %v", k.Name, s, err)
		}
	}
	p := testproc.Start(t, "hold record", path)
	p.Say("try")
	if got := p.Line(); got == "done" {
		t.Error("inspecting dropped a record lock of this process")
	}
}

func TestLaw21InspectingOpensNothing(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	defer h.Release()
	var ops []string
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
		if op != fault.Stat && op != fault.Lstat {
			ops = append(ops, string(op)+" "+path)
		}
		return nil
	}})
	s, err := filelock.New(path).Inspect(bg)
	remove()
	if err != nil || !s.Held || len(ops) > 0 {
		t.Errorf("%+v, %v, did %v", s, err, ops)
	}
}

func TestLaw23ExistingFileIsNotCreated(t *testing.T) {
	path := lockPath(t)
	write(t, path, "")
	// What the system says to O_CREAT on another's file in a sticky directory.
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Create {
			return unix.EACCES
		}
		return nil
	}})()
	must(t, filelock.New(path).Do(bg, func(context.Context) error { return nil }))
}

// openDir returns a new directory that others can enter, with a given mode.
func openDir(t *testing.T, mode fs.FileMode) string {
	dir, err := os.MkdirTemp("", "filelock")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, mode))
	return dir
}

func TestLaw23OtherUsersFileInAStickyDirectory(t *testing.T) {
	path := filepath.Join(openDir(t, 0o777|fs.ModeSticky), "x.lock")
	write(t, path, "")
	must(t, os.Chmod(path, 0o644))
	for _, shared := range [][]string{nil, {"shared"}} {
		p := testproc.StartAsNobody(t, "hold flock", append([]string{path}, shared...)...)
		p.Say("acquire")
		p.Expect("done")
		_, err := filelock.New(path).TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		if !strings.Contains(err.Error(), fmt.Sprintf("pid %d", p.PID())) {
			t.Errorf("the holder is not named: %v", err)
		}
		p.Say("release")
		p.Expect("done")
	}
}

// TestDeadMarkerOfAnotherUserIsExplained: in a sticky directory only that user
// can remove it.
func TestDeadMarkerOfAnotherUserIsExplained(t *testing.T) {
	path := filepath.Join(openDir(t, 0o777|fs.ModeSticky), "x.lock")
	leaveStale(t, path)
	must(t, os.Chmod(path, 0o644))
	p := testproc.StartAsNobody(t, "hold soft", path)
	p.Say("acquire")
	if says := p.Line(); !strings.Contains(says, "its holder is dead, but the marker cannot be removed") {
		t.Errorf("it says %q", says)
	}
}

// TestLeaseIsWaitedFor has a file server's lease on the lock file.
func TestLeaseIsWaitedFor(t *testing.T) {
	path := lockPath(t)
	write(t, path, "")
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	const read = unix.F_RDLCK
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, read); err != nil {
		t.Skipf("this file system has no leases: %v", err)
	}
	l := filelock.New(path)
	_, err = l.TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	must(t, err)
	must(t, l.Do(bg, func(context.Context) error { return nil }))
}

// TestLeaseOnADeadMarker has it read by a server while it is removed.
func TestLeaseOnADeadMarker(t *testing.T) {
	path := lockPath(t)
	leaveStale(t, path)
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	const read = unix.F_RDLCK
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, read); err != nil {
		t.Skipf("this file system has no leases: %v", err)
	}
	must(t, filelock.NewSoft(path).Do(bg, func(context.Context) error { return nil }))
}

// TestModeThatCannotBeSet: others have opened the file by then, and lock it.
func TestModeThatCannotBeSet(t *testing.T) {
	path := lockPath(t)
	var peer *os.File
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) (err error) {
		if op != fault.Chmod {
			return nil
		}
		if peer, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return err
		}
		return unix.EPERM
	}})
	_, err := filelock.New(path, filelock.WithMode(0o600)).TryAcquire(bg)
	remove()
	want(t, err, unix.EPERM)
	defer peer.Close()
	must(t, unix.Flock(int(peer.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	_, err = filelock.New(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
}

func TestLaw23ModeIsSetOnCreationOnly(t *testing.T) {
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	mode := func(path string) fs.FileMode {
		fi, err := os.Stat(path)
		must(t, err)
		return fi.Mode().Perm()
	}
	nothing := func(context.Context) error { return nil }
	for what, c := range map[string]struct {
		opts []filelock.FileOption
		want fs.FileMode
	}{
		"by default":    {nil, 0o640},
		"asked for":     {[]filelock.FileOption{filelock.WithMode(0o666)}, 0o666},
		"without write": {[]filelock.FileOption{filelock.WithMode(0o444)}, 0o444},
	} {
		path := lockPath(t)
		must(t, filelock.New(path, c.opts...).Do(bg, nothing))
		if got := mode(path); got != c.want {
			t.Errorf("%s the mode is %v, want %v", what, got, c.want)
		}
		must(t, os.Chmod(path, 0o600))
		must(t, filelock.New(path, c.opts...).Do(bg, nothing))
		if got := mode(path); got != 0o600 {
			t.Errorf("%s an existing file's mode becomes %v", what, got)
		}
		if c.want&0o600 != 0o600 {
			_, err := filelock.NewSoft(path, c.opts...).TryAcquire(bg)
			want(t, err, fs.ErrInvalid)
			continue
		}
		path = lockPath(t)
		must(t, filelock.NewSoft(path, c.opts...).Do(bg, func(context.Context) error {
			if got := mode(path); got != c.want {
				t.Errorf("%s the marker's mode is %v, want %v", what, got, c.want)
			}
			return nil
		}))
	}
}

func TestLaw24TrapsAtThePathAreRefused(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("target"), "target")
	must(t, os.Symlink(in("target"), in("link")))
	must(t, os.Symlink(in("nowhere"), in("dangling")))
	must(t, unix.Mkfifo(in("fifo"), 0o666))
	must(t, os.Mkdir(in("directory"), 0o777))
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(socket)
	must(t, unix.Bind(socket, &unix.SockaddrUnix{Name: in("socket")}))
	for _, c := range []struct {
		name string
		says string
		soft bool // it is refused to a soft lock only
	}{
		{in("link"), "symbolic link", false},
		{in("dangling"), "symbolic link", false},
		{in("fifo"), "named pipe", false},
		{in("socket"), "socket", false},
		{os.DevNull, "device", false},
		{in("directory"), "directory", true},
	} {
		for _, l := range []filelock.Locker{filelock.NewSoft(c.name), filelock.New(c.name), filelock.New(c.name, filelock.WithRecordLocks())} {
			if _, soft := l.(*filelock.SoftFileLock); c.soft && !soft {
				continue
			}
			remove := fault.Install(fault.AtFirst(fault.Open, func() { t.Errorf("%T opens a %s", l, c.says) }))
			_, err := l.Acquire(bg) // at once, without a limit
			remove()
			want(t, err, fs.ErrInvalid)
			if errors.Is(err, filelock.ErrLocked) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%T at a %s: %v", l, c.says, err)
			}
			if _, err := l.(interface {
				Inspect(context.Context) (filelock.State, error)
			}).Inspect(bg); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%T inspecting a %s: %v", l, c.says, err)
			}
		}
	}
	if content, err := os.ReadFile(in("target")); err != nil || string(content) != "target" {
		t.Errorf("the link's target is now %q, %v", content, err)
	}
	if _, err := os.Lstat(in("nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dangling link was followed: %v", err)
	}
}

// TestLaw24TrapsThatComeBetweenAreRefused has the file become another thing when it
// has been looked at and is about to be opened.
func TestLaw24TrapsThatComeBetweenAreRefused(t *testing.T) {
	for what, trap := range map[string]func(path string) error{
		"named pipe":    func(path string) error { return unix.Mkfifo(path, 0o666) },
		"symbolic link": func(path string) error { return os.Symlink(os.DevNull, path) },
	} {
		for _, lock := range []func(path string) filelock.Locker{
			func(path string) filelock.Locker { return filelock.New(path) },
			func(path string) filelock.Locker { return filelock.NewSoft(path) },
		} {
			path := lockPath(t)
			write(t, path, "")
			l := lock(path)
			remove := fault.Install(fault.AtFirst(fault.Open, func() { must(t, errors.Join(os.Remove(path), trap(path))) }))
			_, err := l.TryAcquire(bg)
			remove()
			if err == nil {
				t.Errorf("%T locks a %s", l, what)
			}
		}
	}
}

func TestLaw24HugeMarkerIsNotReadWhole(t *testing.T) {
	path := lockPath(t)
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(1<<40)) // sparse
	must(t, f.Close())
	_, err = filelock.NewSoft(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if _, err := filelock.New(path, filelock.WithContent(" {pid}\n")).Inspect(bg); err != nil {
		t.Error(err)
	}
}

func TestLaw24FilesAreNotPassedOn(t *testing.T) {
	path := lockPath(t)
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	cmd := exec.Command("sleep", "60")
	must(t, cmd.Start())
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", cmd.Process.Pid))
	must(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == path {
			t.Errorf("a child has inherited the lock file as %s", fd)
		}
	}
	must(t, h.Release())
}

func TestLaw25ReadOnlyFileCanBeLocked(t *testing.T) {
	path := filepath.Join(openDir(t, 0o755), "x.lock")
	write(t, path, "")
	must(t, os.Chmod(path, 0o444))
	for _, shared := range [][]string{nil, {"shared"}} {
		p := testproc.StartAsNobody(t, "hold flock", append([]string{path}, shared...)...)
		p.Say("acquire")
		p.Expect("done")
		if got := flockSays(t, path); got != 1 {
			t.Errorf("flock -n says %d", got)
		}
		p.Say("release")
		p.Expect("done")
	}
	// Record locks want to write to lock exclusively: that is said, not hidden.
	p := testproc.StartAsNobody(t, "hold record", path)
	p.Say("acquire")
	if got := p.Line(); !strings.Contains(got, "permission denied") {
		t.Errorf("an exclusive record lock of a read-only file: %s", got)
	}
	p = testproc.StartAsNobody(t, "hold record", path, "shared")
	p.Say("acquire")
	p.Expect("done")
}

func TestLaw25ReadOnlyFileSystem(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.lock")
	write(t, path, "")
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	must(t, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	h, err := filelock.New(path).Acquire(bg)
	must(t, err)
	if got := flockSays(t, path); got != 1 {
		t.Errorf("flock -n says %d", got)
	}
	must(t, h.Release())
	_, err = filelock.New(filepath.Join(dir, "new.lock")).Acquire(bg)
	want(t, err, unix.EROFS)
	_, err = filelock.NewSoft(filepath.Join(dir, "soft.lock")).Acquire(bg)
	want(t, err, unix.EROFS)
	_, err = filelock.New(path, filelock.WithContent("x")).Acquire(bg)
	want(t, err, unix.EROFS)
	if got := flockSays(t, path); got != 0 {
		t.Errorf("after all that flock -n says %d", got)
	}
}

func TestLaw25DirectoryAndRunningProgramCanBeLocked(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	for _, path := range []string{t.TempDir(), self} {
		h, err := filelock.New(path).Acquire(bg)
		must(t, err)
		if got := flockSays(t, path); got != 1 {
			t.Errorf("%s: flock -n says %d", path, got)
		}
		must(t, h.Release())
	}
}

func TestLaw26InterruptedCallsAreRepeated(t *testing.T) {
	for _, c := range faultCases {
		path := lockPath(t)
		if c.setup != nil {
			c.setup(t, path)
		}
		lock := c.lock(t, path)
		var mu sync.Mutex
		interrupted := map[fault.Op]int{}
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == fault.Getwd { // no system call that a signal interrupts
				return nil
			}
			if interrupted[op]++; interrupted[op]%3 != 0 { // twice, then not
				return unix.EINTR
			}
			return nil
		}})
		err := lock.Do(bg, func(context.Context) error { return nil }, c.opts...)
		remove()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(interrupted) < 4 {
			t.Errorf("%s: only %v were interrupted", c.name, interrupted)
		}
	}
}

func TestLaw27ProcessIsLeftAlone(t *testing.T) {
	state := func() string {
		status, err := os.ReadFile("/proc/self/status")
		must(t, err)
		var kept []string
		for line := range strings.Lines(string(status)) {
			for _, name := range []string{"Umask:", "SigBlk:", "SigIgn:", "SigCgt:", "Uid:", "Gid:", "Groups:", "NoNewPrivs:"} {
				if strings.HasPrefix(line, name) {
					kept = append(kept, line)
				}
			}
		}
		wd, err := os.Getwd()
		must(t, err)
		return strings.Join(kept, "") + wd + strings.Join(os.Environ(), "\n")
	}
	before := state()
	for _, k := range kinds() {
		path := lockPath(t)
		l := k.New(path, filelock.WithMode(0o600), filelock.WithTimeout(5*time.Millisecond))
		must(t, l.Do(bg, func(ctx context.Context) error {
			l.TryAcquire(bg)
			l.Acquire(bg)
			l.Inspect(bg)
			if now := state(); now != before {
				t.Errorf("%s: while it was held:\n%s\nbefore:\n%s", k.Name, now, before)
			}
			return nil
		}))
	}
	if now := state(); now != before {
		t.Errorf("afterwards:\n%s\nbefore:\n%s", now, before)
	}
}
