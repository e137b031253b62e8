package faultfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() { roles["beside"] = beside }

// within is how long anything may take that is not meant to take long.
const within = 30 * time.Second

// beside is a process that comes to a lock where the file system may hang, and uses
// others elsewhere meanwhile. Its arguments are the kind and the path of that lock,
// and the directory of the others. It carries out what it is told, and says when it
// has; of what may hang, when it has begun.
func beside(args []string) error {
	k, dir := kindNamed(args[0]), args[2]
	var returned atomic.Bool
	begin := func(do func()) error {
		returned.Store(false)
		go func() {
			do()
			returned.Store(true)
		}()
		return nil
	}
	commands := map[string]func() error{
		"come": func() error { // and go
			return begin(func() {
				if h, err := k.New(args[1]).Acquire(bg, filelock.WithTimeout(100*time.Millisecond)); err == nil {
					h.Release()
				}
			})
		},
		"inspect": func() error { _, err := k.New(args[1]).Inspect(bg); return err },
		"look":    func() error { k.New(args[1]).Inspect(bg); return nil }, // whatever it sees
		"take all": func() error {
			_, err := k.New(args[1]).Acquire(bg)
			for _, k := range chosen() {
				_, errOther := k.New(filepath.Join(dir, k.Name)).Acquire(bg)
				err = errors.Join(err, errOther)
			}
			return err
		},
		"release all": func() error { return begin(func() { filelock.ReleaseAll() }) },
		"returned": func() error {
			if !returned.Load() {
				return errors.New("no")
			}
			return nil
		},
		"use others": func() error { return useAll(dir) },
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := commands[in.Text()](); err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Println("done")
	}
	return nil
}

// startBeside starts such a process. When the test ends the file system does so first:
// before that the process may not.
func startBeside(t *testing.T, b *bed, args ...string) *testproc.Proc {
	p := testproc.Start(t, "beside", args...)
	t.Cleanup(b.server.Kill)
	return p
}

// useAll does with locks in a directory what there is to do: it takes, waits for and
// looks at one of each kind.
func useAll(dir string) error {
	ctx, cancel := context.WithTimeout(bg, within)
	defer cancel()
	var errs []error
	for _, k := range chosen() {
		l := k.New(filepath.Join(dir, k.Name))
		for range 2 { // the files of some are kept
			errs = append(errs, l.Do(ctx, func(ctx context.Context) error {
				if _, err := l.TryAcquire(bg); !errors.Is(err, filelock.ErrLocked) {
					return fmt.Errorf("a stranger's attempt: %v", err)
				}
				_, err := l.Inspect(ctx)
				return err
			}))
		}
	}
	return errors.Join(append(errs, waitFor(ctx, filepath.Join(dir, "awaited")))...)
}

// waitFor waits for a lock that is held outside, with events and with a limit.
func waitFor(ctx context.Context, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := filelock.New(path).Acquire(ctx, filelock.WithTimeout(10*time.Millisecond)); !errors.Is(err, filelock.ErrTimeout) {
		return fmt.Errorf("of a lock that is held: %v", err)
	}
	waiting := make(chan struct{})
	go func() {
		<-waiting
		f.Close()
	}()
	h, err := filelock.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Acquire(ctx)
	if err != nil {
		return err
	}
	return h.Release()
}

// TestOtherLocksGoOnWhileAFileSystemHangs has a process come to a lock, free or held,
// where each operation in turn hangs. It uses others elsewhere as if nothing were.
func TestOtherLocksGoOnWhileAFileSystemHangs(t *testing.T) {
	const most = 60 // of those that look again and again
	seed, step := seedOf(t), 1
	if !locktest.Thorough() {
		step = 6
	}
	for _, k := range chosen() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			b, elsewhere := newBed(t, 0), backing(t)
			path := filepath.Join(b.dir, "x.lock")
			p := startBeside(t, b, k.Name, path, elsewhere)
			for _, held := range []bool{false, true} {
				if held {
					k.Elsewhere(t, path)
				}
				hung := 0
				for n := int(seed % uint64(step)); n < most && hangs(t, b, p, n); n += step {
					hung++
					tell(t, b, p, "use others")
					b.heal()
					comesBack(t, p)
				}
				b.heal()
				t.Logf("held: %v: hung at %d operations", held, hung)
				if hung == 0 {
					t.Error("nothing has hung")
				}
			}
			t.Log(b.injected)
		})
	}
}

// hangs has p come to the lock when the file system hangs from its nth operation on.
// It reports whether it has come to that.
func hangs(t *testing.T, b *bed, p *testproc.Proc, n int) bool {
	t.Helper()
	b.fail(Fault{Skip: n, Hang: true})
	tell(t, b, p, "come")
	for end := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		switch {
		case len(b.look()) > 0:
			return true
		case returns(p):
			return false
		case time.Now().After(end):
			t.Fatal("it does not come back")
		}
	}
}

func returns(p *testproc.Proc) bool {
	p.Say("returned")
	return p.Line() == "done"
}

func comesBack(t *testing.T, p *testproc.Proc) {
	t.Helper()
	for end := time.Now().Add(within); !returns(p); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come back")
		}
	}
}

// tell has p do something that must not hang. If it does, the file system is killed.
func tell(t *testing.T, b *bed, p *testproc.Proc, command string) {
	t.Helper()
	stuck := time.AfterFunc(within, func() { b.server.Cmd.Process.Kill() })
	p.Say(command)
	if said := p.Line(); said != "done" {
		t.Errorf("%s: %s", command, said)
	}
	if !stuck.Stop() {
		t.Fatalf("%s: that hangs as well", command)
	}
}

// TestReleaseAllGivesBackWhatIsElsewhereWhileAFileSystemHangs has a process that is
// about to end hold a lock that it cannot give back, and others that it can.
func TestReleaseAllGivesBackWhatIsElsewhereWhileAFileSystemHangs(t *testing.T) {
	b, elsewhere := newBed(t, 0), backing(t)
	p := startBeside(t, b, "soft", filepath.Join(b.dir, "x.lock"), elsewhere)
	tell(t, b, p, "take all")
	b.fail(Fault{Hang: true})
	tell(t, b, p, "release all")
	for _, k := range chosen() {
		path := filepath.Join(elsewhere, k.Name)
		for end := time.Now().Add(within); k.Try(t, path) != "done"; {
			if time.Now().After(end) {
				t.Fatalf("%s is not given back", k.Name)
			}
		}
	}
	if returns(p) {
		t.Error("nothing has hung")
	}
	b.heal()
	comesBack(t, p)
	must(t, p.Wait())
}

// TestKilledProcessThatHangsEndsWithTheFileSystem has a process be killed while it
// waits for a file system. It ends when that does, and its locks with it.
func TestKilledProcessThatHangsEndsWithTheFileSystem(t *testing.T) {
	b, elsewhere := newBed(t, 0), backing(t)
	p := startBeside(t, b, "flock", filepath.Join(b.dir, "x.lock"), elsewhere)
	tell(t, b, p, "take all")
	if !hangs(t, b, p, 0) {
		t.Fatal("nothing hangs")
	}
	must(t, p.Cmd.Process.Kill())
	k, path := kindNamed("flock"), filepath.Join(elsewhere, "flock")
	t.Logf("of a killed process that hangs, another one gets the lock elsewhere: %s", k.Try(t, path))
	b.server.Kill()
	p.Kill()
	if said := k.Try(t, path); said != "done" {
		t.Errorf("of a killed process that has ended, another one gets the lock elsewhere: %s", said)
	}
}

// TestHolderIsLookedForWhereAFileSystemHangs has a stranger hold a lock on a file that
// hangs, and that has the number of the file whose holder is looked for: the numbers
// of a server's files are its own choice.
func TestHolderIsLookedForWhereAFileSystemHangs(t *testing.T) {
	dir := backing(t)
	b := bedOf(t, dir, 0, SystemsLocks)
	path := filepath.Join(dir, "x.lock")
	must(t, os.WriteFile(path, nil, 0o666))
	kindNamed("flock").Elsewhere(t, filepath.Join(b.dir, "x.lock"))
	p := startBeside(t, b, "flock", path, backing(t))
	b.fail(Fault{Hang: true})
	tell(t, b, p, "inspect")
	b.heal()
}

// TestMountThatOthersMayNotEnterStopsNobody has a file system hang that was mounted
// as any user may mount one: whoever else comes to it is refused by the kernel.
func TestMountThatOthersMayNotEnterStopsNobody(t *testing.T) {
	b := bedOf(t, backing(t), 0, Private)
	for dir := b.dir; strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o777)
	}
	b.fail(Fault{Hang: true})
	defer time.AfterFunc(within, func() { b.server.Cmd.Process.Kill() }).Stop()
	for _, k := range chosen() {
		for where, want := range map[string]string{b.dir: "permission denied", filepath.Dir(b.dir): "done"} {
			other := testproc.StartAsNobody(t, "hold "+k.Name, filepath.Join(where, k.Name))
			other.Say("try")
			if said := other.Line(); !strings.Contains(said, want) {
				t.Errorf("%s in %s: %s", k.Name, where, said)
			}
			must(t, other.Wait())
		}
	}
	if n := b.heal(); n > 0 {
		t.Errorf("%d operations came to the file system", n)
	}
}
