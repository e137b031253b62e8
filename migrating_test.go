//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/lockedfile"
	"github.com/gofilelock/filelock/marker"
)

// The functions below are what docs/migrating.md shows, for the compiler.

func migratingFromPyFilelock(ctx context.Context, fn func(context.Context) error) {
	lock := filelock.New("x.lock")
	use(filelock.NewSoft("x.lock"))
	use(lock.Do(ctx, func(ctx context.Context) error { return nil }))
	publish := lock.Guard(func(ctx context.Context) error { return nil })
	square := filelock.GuardFunc(lock, func(ctx context.Context, n int) (int, error) { return n * n, nil })
	hold, err := lock.Acquire(ctx)
	use(publish, square, hold.Release(), lock.ForceRelease(ctx))
	use(filelock.New("x.lock", filelock.WithTimeout(10*time.Second)))
	use(lock.Acquire(ctx, filelock.WithTimeout(time.Second)))
	use(lock.Do(ctx, fn, filelock.WithTimeout(time.Second)))
	use(lock.TryAcquire(ctx))
	use(filelock.NonBlocking(), filelock.Shared(), hold.File())
	use(lock.Acquire(ctx, filelock.WithPollInterval(10*time.Millisecond)))
	var lockErr *filelock.LockError
	use(errors.Is(err, filelock.ErrLocked), lockErr.Path)
	use(lockErr.Holder())
	use(filelock.New("x.lock", filelock.WithMode(0o600)))
	use(filelock.New("x.lock", filelock.WithSharedOwner()))
	use(lock.Held(), lock.Depth(ctx), lock.Path())
	var logger *slog.Logger
	use(filelock.New("x.lock", filelock.WithLogger(logger)), slog.Default())
	state, err := lock.Inspect(ctx)
	use(err, lock.Break(ctx, state), hold.Lost())
	use(hold.Context(), filelock.ErrTimeout, filelock.ErrNotHeld, filelock.ErrDeadlock, filelock.ErrUnsupported)
}

func migratingFromZcLockfile(ctx context.Context, name string, fn func(context.Context) error) {
	hold, err := filelock.New("lock", filelock.WithContent(" {pid}\n")).TryAcquire(ctx)
	use(errors.Is(err, filelock.ErrLocked), hold.Release(), filelock.WithContent(" {pid};{hostname}\n"))
	use(filelock.New("lock").TryAcquire(ctx))
	use(lockedfile.Do(ctx, "description", func(ctx context.Context) error { return nil }))
	use(lockedfile.Do(ctx, "description", fn, filelock.WithTimeout(5*time.Second)))
	f, err := lockedfile.Open(ctx, "filename.ext")
	if err != nil {
		return
	}
	defer f.Close()
	use(lockedfile.OpenFile(ctx, name, os.O_RDWR, 0))
	use(lockedfile.Create(ctx, name))
	use(lockedfile.OpenFile(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666))
	use(lockedfile.OpenFile(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666))
	use(lockedfile.Open(ctx, name, filelock.WithTimeout(5*time.Second)))
	use(lockedfile.Create(ctx, name, filelock.WithContent(" {pid};{hostname}\n")))
	use(lockedfile.Write, lockedfile.Transform, hold.Context())
	use(filelock.WithContent(" {pid} {hostname} {command} {owner} {since}\n"))
}

func migratingFromLockfile(ctx context.Context, backend filelock.Backend) {
	lock := marker.New("/some/file", marker.Config{})
	use(marker.NewLink("/some/file", marker.Config{}), marker.NewMkdir("/some/file", marker.Config{}))
	use(marker.NewSymlink("/some/file", marker.Config{}), marker.NewPID("/some/file", marker.Config{}))
	use(filelock.NewLock(backend))
	use(lock.Do(ctx, func(ctx context.Context) error { return nil }))
	publish := lock.Guard(func(ctx context.Context) error { return nil }, filelock.NonBlocking())
	hold, err := lock.Acquire(ctx)
	use(lock.Acquire(ctx, filelock.WithTimeout(time.Minute)))
	use(lock.TryAcquire(ctx))
	use(publish, hold.Release(), errors.Is(err, filelock.ErrLocked), errors.Is(err, filelock.ErrTimeout), errors.Is(err, fs.ErrPermission))
	use(filelock.ErrNotHeld, filelock.ErrNotOwner, filelock.ErrLost, "examples/sqlite", "LinkLockFile")
	state, err := lock.Inspect(ctx)
	use(state.Held, err, lock.Held(), lock.Depth(ctx), lock.Break(ctx, state), lock.LockFile(), lock.Path(), hold.Lost())
	use(marker.New("/some/file", marker.Config{}, filelock.WithSharedOwner()), marker.Config{BreakStale: true})
}

func migratingFromFlufl(ctx context.Context) {
	lock := lease.New("x.lck", lease.Config{NoRenewal: true})
	use(lease.New("x.lck", lease.Config{Lifetime: 30 * time.Second}))
	use(lease.New("x.lck", lease.Config{Separator: '+'}), lease.Config{Host: "host.example"})
	use(lease.New("x.lck", lease.Config{}, filelock.WithTimeout(5*time.Second)))
	use(lease.New("x.lck", lease.Config{RetryErrors: []error{syscall.ESTALE}}))
	hold, err := lock.Acquire(ctx)
	use(err, hold.Release(), lock.ReleaseIfHeld(ctx), lock.Refresh(ctx, 0), lock.Refresh(ctx, 30*time.Second), lock.RefreshIfHeld(ctx, 0))
	use(lock.Acquire(ctx, filelock.WithTimeout(5*time.Second)))
	lock.SetLifetime(30 * time.Second)
	use(lock.Lifetime(), lock.Held(), lock.String(), lock.Path())
	use(lock.State(ctx))
	use(lease.Unlocked, lease.Ours, lease.OursExpired, lease.Stale, lease.TheirsExpired, lease.Unknown)
	details, err := lock.Details(ctx)
	use(details.Claim, err)
	use(lock.Expiration(ctx))
	use(lock.Host(ctx))
	var fence lease.Fence
	use(filelock.WithoutNesting(), lease.ErrSkew, lease.Config{Fencing: true}, hold.Token(), fence.Check(1))
}

func migratingFromGofrs(ctx context.Context, delay time.Duration, f *os.File) {
	lock := filelock.New("x.lock")
	use(filelock.WithMode(0o640), filelock.WithPollInterval(delay), filelock.NewFile(f))
	{
		hold, err := lock.Acquire(ctx, filelock.Shared())
		use(hold.File(), err)
	}
	{
		hold, err := lock.TryAcquire(ctx)
		use(hold, err)
	}
	{
		hold, err := lock.TryAcquire(ctx, filelock.Shared())
		use(hold, err, filelock.ErrUpgrade)
	}
}

func use(...any) {}

var (
	_ = migratingFromPyFilelock
	_ = migratingFromZcLockfile
	_ = migratingFromLockfile
	_ = migratingFromFlufl
	_ = migratingFromGofrs
)

// knowsWord reports whether a word of a call of filelock is known, if it is an
// option or a verb. What stands for sh -c is sh's.
func knowsWord(source, word string) bool {
	switch long, isLong := strings.CutPrefix(word, "--"); {
	case isLong:
		return strings.Contains(source, `"`+long+`"`)
	case word == "-c":
		return true
	case strings.HasPrefix(word, "-"):
		return regexp.MustCompile(`Short: "[a-z]*` + regexp.QuoteMeta(word[1:2])).MatchString(source)
	case word == "run", word == "status", word == "flock":
		return strings.Contains(source, `"`+word+`"`)
	}
	return true
}

// TestMigratingIsCompiled looks for all code of docs/migrating.md that is ours:
// in this file, or in the usage of the command.
func TestMigratingIsCompiled(t *testing.T) {
	known := flat(t, "migrating_test.go")
	command := ""
	sources, err := filepath.Glob("cmd/filelock/*.go")
	must(t, err)
	for _, name := range sources {
		command += flat(t, name)
	}
	page, err := os.ReadFile("docs/migrating.md")
	must(t, err)
	code := regexp.MustCompile("`([^`]+)`")
	seen := 0
	calls, _, _ := strings.Cut(string(page), "\n## The examples")
	for line := range strings.Lines(calls) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) != 4 {
			continue // not of a table
		}
		for _, span := range code.FindAllStringSubmatch(strings.ReplaceAll(cells[2], "\x00", "|"), -1) {
			seen++
			snippet := span[1]
			if rest, ok := strings.CutPrefix(snippet, "filelock "); ok {
				for _, word := range strings.Fields(rest) {
					if !knowsWord(command, word) {
						t.Errorf("%s: the command knows no %s", snippet, word)
					}
				}
				continue
			}
			if before, _, ok := strings.Cut(snippet, "{ …"); ok {
				snippet = before
			}
			if !strings.Contains(known, strings.TrimSpace(snippet)) {
				t.Errorf("not compiled: %s", span[1])
			}
		}
	}
	if seen < 50 {
		t.Errorf("there are %d pieces of code only", seen)
	}
}

// flat returns what is in a file, the code of this test's own left out.
func flat(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	must(t, err)
	before, _, _ := strings.Cut(string(text), "\n// knowsWord")
	return before
}

// TestMigratingNamesTests looks for the tests and examples that the page names.
func TestMigratingNamesTests(t *testing.T) {
	page, err := os.ReadFile("docs/migrating.md")
	must(t, err)
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	for _, dir := range []string{"lease", "lockedfile", "marker", "test/peers"} {
		more, err := filepath.Glob(dir + "/*_test.go")
		must(t, err)
		files = append(files, more...)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		all.Write(text)
	}
	names := regexp.MustCompile("`((?:Test|Example)[A-Za-z_]*)`").FindAllStringSubmatch(string(page), -1)
	for _, name := range names {
		if !strings.Contains(all.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("there is no %s", name[1])
		}
	}
	if len(names) < 20 {
		t.Errorf("%d names only", len(names))
	}
}
