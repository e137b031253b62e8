package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

var bg = context.Background()

// A kind is one of the kinds of locks.
type kind struct {
	locktest.Kind
	system bool // a lock of the system, which ends with its process
	proves bool // what stands for it may prove that its holder is dead
	places bool // what stands for it says in which container its holder is
	local  bool // it is for one container only
}

// kinds are those of which all are told apart here, with stale markers broken. A
// PID lock is for one container then: its file says nothing but a number.
var kinds = []kind{
	{Kind: newKind("flock", func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.New(path, opts...) }), system: true},
	{Kind: newKind("record", func(path string, opts ...filelock.FileOption) locktest.Lock {
		return filelock.New(path, append(opts, filelock.WithRecordLocks())...)
	}), system: true},
	{Kind: newKind("soft", func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.NewSoft(path, opts...) }), proves: true, places: true},
	{Kind: newMarker("link", marker.NewLink), proves: true, places: true},
	{Kind: newMarker("mkdir", marker.NewMkdir), proves: true, places: true},
	{Kind: newMarker("symlink", marker.NewSymlink), proves: true, places: true},
	{Kind: newMarker("pid here", marker.NewPID), proves: true, local: true},
	{Kind: newKind("pid", func(path string, opts ...filelock.FileOption) locktest.Lock {
		return marker.NewPID(path, marker.Config{}, locktest.Options(opts)...)
	})},
	{Kind: newKind("lease", func(path string, opts ...filelock.FileOption) locktest.Lock {
		return lease.New(path, lease.Config{Lifetime: time.Minute}, locktest.Options(opts)...)
	}), places: true},
}

func newKind(name string, open func(path string, opts ...filelock.FileOption) locktest.Lock) locktest.Kind {
	return locktest.Kind{Name: name, New: open}
}

func newMarker(name string, open func(string, marker.Config, ...filelock.Option) *marker.Lock) locktest.Kind {
	return newKind(name, func(path string, opts ...filelock.FileOption) locktest.Lock {
		return open(path, marker.Config{BreakStale: true}, locktest.Options(opts)...)
	})
}

func kindNamed(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.Name == name })]
}

// those returns the kinds that are as is says.
func those(is func(kind) bool) []kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return !is(k) })
}

func system(k kind) bool { return k.system }
func proves(k kind) bool { return k.proves }
func shared(k kind) bool { return !k.local }
func marks(k kind) bool  { return !k.local && !k.system }

// roles are what a process can be. Those of one test are added by it.
var roles = map[string]testproc.Role{}

// binVariable has the path of a directory where all users find the command
// filelock, and this test.
const binVariable = "FILELOCK_TEST_BIN"

func bin(name string) string { return filepath.Join(os.Getenv(binVariable), name) }

func TestMain(m *testing.M) {
	for _, k := range kinds {
		maps.Copy(roles, locktest.Roles(k.Kind))
	}
	testproc.Main(roles)
	dir, err := os.MkdirTemp("", "filelock-containers")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verify.Main(m, goleak.Cleanup(func(status int) {
		os.RemoveAll(dir)
		os.Exit(status)
	}))
}

func build(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	test, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return errors.Join(os.Setenv(binVariable, dir), os.WriteFile(bin("test"), test, 0o755), testproc.Build(dir))
}

// A box is how a process is set apart from the others: by namespaces, and by what
// it does in them before it plays its role.
type box struct {
	namespaces uintptr
	stages     []string
	users      bool     // root inside is another user outside
	by         []string // by another program, if one is named
}

var (
	// container is what runs as a container does, but for the host's name, which
	// is the same for all.
	container = box{namespaces: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS, stages: []string{"proc"}}
	// beside shares the process ids with the outside.
	beside = box{namespaces: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS}
)

// with returns b with more stages.
func (b box) with(stages ...string) box {
	b.stages = append(slices.Clone(b.stages), stages...)
	return b
}

// start starts a process in b, the first one of its namespaces. When it is killed
// all of them are; so they are when the test ends.
func (b box) start(t *testing.T, role string, args ...string) *testproc.Proc {
	t.Helper()
	needNamespaces(t)
	words := slices.Concat(b.by, []string{bin("test")}, b.stages, []string{"as", role}, args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), testproc.Environment("staged")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: b.namespaces}
	if b.users {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = all, all
	}
	return testproc.StartCommand(t, cmd)
}

// holds starts a process in b that holds the lock at path.
func (b box) holds(t *testing.T, k kind, path string) *testproc.Proc {
	t.Helper()
	p := b.start(t, "hold "+k.Name, path)
	p.Say("acquire")
	p.Expect("done")
	return p
}

func needNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: container.namespaces}
	if err := cmd.Run(); err != nil {
		t.Skipf("namespaces cannot be made (as root they can): %v", err)
	}
}

func init() { roles["staged"] = staged }

// staged goes through its stages, up to the word "as", and plays the role after
// it.
func staged(args []string) error {
	last := slices.Index(args, "as")
	if last > 0 {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("making mounts private: %w", err)
		}
	}
	for _, stage := range args[:last] {
		name, value, _ := strings.Cut(stage, "=")
		if err := stages[name](value); err != nil {
			return fmt.Errorf("stage %s: %w", stage, err)
		}
	}
	role := args[last+1]
	if roles[role] == nil {
		return fmt.Errorf("no role %q", role)
	}
	return roles[role](args[last+2:])
}

const nobody = 65534

var stages = map[string]func(value string) error{
	"proc":    func(string) error { return syscall.Mount("proc", "/proc", "proc", 0, "") },
	"hidepid": func(string) error { return syscall.Mount("proc", "/proc", "proc", 0, "hidepid=2") },
	"noproc":  func(string) error { return syscall.Mount("none", "/proc", "tmpfs", 0, "") },
	"host":    func(name string) error { return syscall.Sethostname([]byte(name)) },
	// Another boot, as far as can be told: its id is what the file says.
	"boot": func(file string) error {
		return syscall.Mount(file, "/proc/sys/kernel/random/boot_id", "", syscall.MS_BIND, "")
	},
	"nobody": func(string) error {
		return errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody))
	},
}

// boot returns the stage of another boot.
func boot(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "boot")
	must(t, os.WriteFile(file, []byte("01234567-89ab-cdef-0123-456789abcdef\n"), 0o644))
	return "boot=" + file
}

// folder returns the path of a lock in a new directory, that all users can write
// to.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "filelock-shared")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	return filepath.Join(dir, "x")
}

// clean fails the test if anything but the files of system locks is left.
func clean(t *testing.T, k kind, path string) {
	t.Helper()
	must(t, filelock.ReleaseAll()) // claims may have been kept
	left, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(left) > 0 && !k.system {
		t.Errorf("%s: %v is left", k.Name, left)
	}
}

// bounded returns a context that keeps a broken test from hanging.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(bg, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

var must = verify.NoError

// free fails the test unless the lock can be had at once.
func free(t *testing.T, k kind, path string) {
	t.Helper()
	h, err := k.New(path).TryAcquire(bg)
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	must(t, h.Release())
}

// breakUp breaks whoever's hold there is.
func breakUp(t *testing.T, k kind, path string) {
	t.Helper()
	l := k.New(path)
	s, err := l.Inspect(bg)
	must(t, err)
	must(t, l.Break(bg, s))
}

// awaited starts a goroutine that waits for the lock, and returns when it does.
// When it has had the lock it sends what came of it.
func awaited(t *testing.T, k kind, path string) <-chan error {
	t.Helper()
	waiting, had := make(chan struct{}), make(chan error, 1)
	l := k.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting)))
	ctx := bounded(t)
	go func() { had <- l.Do(ctx, func(context.Context) error { return nil }) }()
	select {
	case <-waiting:
	case err := <-had:
		t.Fatalf("%s: the lock is not held: %v", k.Name, err)
	}
	return had
}
