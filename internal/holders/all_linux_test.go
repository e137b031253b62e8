package holders

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["block"] = block
	roles["posix"] = posix
	roles["watch"] = watch
}

// block waits in the system for an exclusive lock.
func block(args []string) error {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return unix.Flock(int(f.Fd()), unix.LOCK_EX)
}

// posix takes a record lock of the process, on two ranges of the file.
func posix(args []string) error {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for _, start := range []int64{0, 10} {
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: 1}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	return f.Close()
}

// watch watches a file for events.
func watch(args []string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	if _, err := unix.InotifyAddWatch(fd, args[0], unix.IN_CLOSE); err != nil {
		return err
	}
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	return nil
}

// entriesOf returns what All tells of the file at path, as soon as that has the
// given number of entries: nobody is told who begins to wait.
func entriesOf(t *testing.T, path string, n int) (found []Entry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		all, err := All()
		if err != nil {
			t.Fatal(err)
		}
		found = slices.DeleteFunc(all, func(e Entry) bool { return e.Path != path })
		if len(found) == n {
			break
		}
	}
	slices.SortFunc(found, func(a, b Entry) int { return a.PID - b.PID })
	return found
}

func TestAllNamesPathsAndKinds(t *testing.T) {
	path := newFile(t)
	flock := start(t, path, "flock", "shared")
	record := start(t, path, "record", "shared") // of an open file
	want := []Entry{
		{Lock: Lock{flock.PID(), true}, Kind: Flock, Path: path},
		{Lock: Lock{record.PID(), true}, Kind: Record, Path: path},
	}
	slices.SortFunc(want, func(a, b Entry) int { return a.PID - b.PID })
	if got := entriesOf(t, path, 2); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}

	other := newFile(t)
	p := testproc.Start(t, "posix", other)
	p.Expect("ready")
	want = []Entry{{Lock: Lock{p.PID(), false}, Kind: Record, Process: true, Path: other}}
	if got := entriesOf(t, other, 1); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAllFindsTheHeir(t *testing.T) {
	path := newFile(t)
	p := testproc.Start(t, "hold", path, "flock", "exclusive", "heir")
	var heir int
	fmt.Sscan(p.Line(), &heir)
	t.Cleanup(func() { unix.Kill(heir, unix.SIGKILL) })
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	want := []Entry{{Lock: Lock{heir, false}, Kind: Flock, Path: path}}
	if got := entriesOf(t, path, 1); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestBlockedAndWatching(t *testing.T) {
	path := newFile(t)
	info, err := sys.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := append(Blocked(info.ID, Flock), Watching(info.ID)...); got != nil {
		t.Errorf("%v wait for a free lock", got)
	}
	holder := start(t, path, "flock", "exclusive")
	waiter := testproc.Start(t, "block", path)
	waiter.Expect("ready")
	want := []Entry{
		{Lock: Lock{holder.PID(), false}, Kind: Flock, Path: path},
		{Lock: Lock{waiter.PID(), false}, Kind: Flock, Waiting: true, Path: path},
	}
	slices.SortFunc(want, func(a, b Entry) int { return a.PID - b.PID })
	if got := entriesOf(t, path, 2); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := Blocked(info.ID, Flock); !slices.Equal(got, []int{waiter.PID()}) {
		t.Errorf("blocked are %v, want %d", got, waiter.PID())
	}
	if got := Blocked(info.ID, Record); got != nil {
		t.Errorf("%v are blocked on a record lock", got)
	}
	watcher := testproc.Start(t, "watch", path)
	watcher.Expect("ready")
	if got := Watching(info.ID); !slices.Equal(got, []int{watcher.PID()}) {
		t.Errorf("watching are %v, want %d", got, watcher.PID())
	}
}
