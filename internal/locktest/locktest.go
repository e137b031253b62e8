// Package locktest holds what is true of every kind of lock, as tests that
// each kind runs.
package locktest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A Lock is a lock of any kind.
type Lock interface {
	filelock.Locker
	Guard(fn func(context.Context) error, opts ...filelock.AcquireOption) func(context.Context) error
	Held() bool
	Depth(ctx context.Context) int
	ForceRelease(ctx context.Context) error
	Inspect(ctx context.Context) (filelock.State, error)
	Break(ctx context.Context, s filelock.State) error
	Path() string
}

// A Kind is a kind of lock.
type Kind struct {
	Name      string
	New       func(path string, opts ...filelock.FileOption) Lock
	CanShare  bool // knows shared locks
	CanBreak  bool // and so can lose them
	Inspects  bool // can tell who holds a lock in another process
	Leaves    bool // its file stays when the lock is free
	HardLinks bool // a lock has as many names as its file has
	Outlives  bool // it outlives its holder's death
	Proves    bool // it can be told of one that does that its holder is dead
	Bare      bool // knows no [filelock.FileOption]: see [Options]
	// LockFile returns what stands for the lock at path; nil: that path itself.
	LockFile func(path string) string

	NoFile    bool // a lock is a name that has one spelling, and no file's
	NoOthers  bool // other processes do not see its locks
	HasTokens bool // holds have fencing tokens
}

// Options returns opts for a kind that is Bare, or no file's.
func Options(opts []filelock.FileOption) (all []filelock.Option) {
	for _, o := range opts {
		all = append(all, o.(filelock.Option))
	}
	return all
}

func (k Kind) lockFile(path string) string {
	if k.LockFile == nil {
		return path
	}
	return k.LockFile(path)
}

// Roles returns the roles that the tests of these kinds start processes in.
func Roles(kinds ...Kind) map[string]testproc.Role {
	roles := map[string]testproc.Role{}
	for _, k := range kinds {
		roles["hold "+k.Name] = k.hold
		roles["count "+k.Name] = k.counting
	}
	return roles
}

// hold is a process that takes and gives back a lock as it is told, and says
// when it has done so, or why not, in a line. Its arguments are the path, and
// "shared" perhaps.
func (k Kind) hold(args []string) error {
	ctx := context.Background()
	var opts []filelock.FileOption
	if len(args) > 1 {
		opts = append(opts, filelock.Shared())
	}
	lock := k.New(args[0], opts...)
	var hold *filelock.Hold
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var err error
		switch command := in.Text(); command {
		case "acquire":
			hold, err = lock.Acquire(ctx)
		case "try":
			hold, err = lock.TryAcquire(ctx)
		case "release":
			err = hold.Release()
		case "break":
			var shown filelock.State
			if shown, err = lock.Inspect(ctx); err == nil {
				err = lock.Break(ctx, shown)
			}
		case "inspect":
			var shown filelock.State
			if shown, err = lock.Inspect(ctx); err == nil {
				fmt.Println("held:", shown.Held)
				continue
			}
		case "token":
			fmt.Println(hold.Token())
			continue
		default:
			return fmt.Errorf("unknown command %q", command)
		}
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
			continue
		}
		fmt.Println("done")
	}
	return nil
}

// Elsewhere starts a process that holds the lock at path, and shares it
// perhaps.
func (k Kind) Elsewhere(t testing.TB, path string, shared ...string) *testproc.Proc {
	t.Helper()
	p := testproc.Start(t, "hold "+k.Name, append([]string{path}, shared...)...)
	p.Say("acquire")
	p.Expect("done")
	return p
}

// Run runs all tests of a kind.
func Run(t *testing.T, k Kind) {
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.needs != nil && !c.needs(k) {
				return // not a part of this kind's contract
			}
			c.test(t, k, filepath.Join(dir, "test.lock"))
			checkNothingIsLeft(t, k, dir)
		})
	}
}

// RunInChild runs a test of the calling package once more, in a process of its
// own, whose parent it is then.
func RunInChild(t *testing.T, name string) {
	const inside = "FILELOCK_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+name+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("in a child process: %v\n%s", err, out)
	} else if !strings.Contains(string(out), "PASS") {
		t.Errorf("in a child process nothing was run:\n%s", out)
	}
}

// checkNothingIsLeft makes sure that nobody has the lock, and that there are no
// files but the lock's own.
func checkNothingIsLeft(t *testing.T, k Kind, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if lock := k.New(f); lock.Held() {
			t.Errorf("%s is still held", f)
		}
	}
	must(t, filelock.ReleaseAll()) // claims may have been kept
	files, err = filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, f := range files {
		if !k.Leaves || strings.Contains(f, ".claim") {
			t.Errorf("%s is left behind", f)
		}
	}
}

// within is how long anything may take that is not meant to take long.
const within = 30 * time.Second

// bounded returns a context that keeps a broken test from hanging.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	return ctx
}
