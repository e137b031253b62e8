package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

func init() {
	roles["counting"] = counting
	roles["crashing"] = crashing
}

// age has the lease of the lock at path end long ago, if there is one, so that
// nobody has to wait for that.
func age(path string) error {
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// A scene is what the processes of a test work on.
type scene struct{ dir string }

func (s scene) lock() string    { return filepath.Join(s.dir, "x.lock") }
func (s scene) counter() string { return filepath.Join(s.dir, "counter") }

// count is one piece of work under the lock: it makes sure that nobody else is
// at it, adds one to the counter, and notes what it came to.
func (s scene) count(log io.Writer) error {
	inside, own := filepath.Join(s.dir, "inside"), filepath.Join(s.dir, fmt.Sprintf("inside.%d", os.Getpid()))
	if err := os.WriteFile(own, fmt.Append(nil, os.Getpid()), 0o666); err != nil {
		return err
	}
	err := os.Link(own, inside)
	if errors.Is(err, fs.ErrExist) {
		other, errRead := os.ReadFile(inside)
		pid, errPID := strconv.Atoi(string(other))
		if errRead != nil || errPID != nil || !(procid.ID{PID: pid, Space: procid.Self().Space}).Dead() {
			return fmt.Errorf("two have the lock, the other is %q", other)
		}
		err = os.Rename(own, inside) // of somebody who was killed
	}
	if err != nil {
		return err
	}
	b, err := os.ReadFile(s.counter())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return err
	}
	c, err := os.OpenFile(s.counter(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "%10d\n", n+1) // always as long: nobody leaves half of it
	fmt.Fprintln(log, n+1)
	os.Remove(own)
	return errors.Join(err, c.Close(), os.Remove(inside))
}

func (s scene) value(t testing.TB) int {
	b, err := os.ReadFile(s.counter())
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return n
}

// counting is a process that counts until it is killed. Its arguments are the
// directory and its number.
func counting(args []string) error {
	s := scene{args[0]}
	log, err := os.OpenFile(filepath.Join(s.dir, "log."+args[1]), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error)
	for range 2 {
		go func() {
			l := lease.New(s.lock(), fenced)
			for {
				if err := l.Do(bg, func(context.Context) error { return s.count(log) }); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// TestKilledProcessesLoseNoCount kills processes at random moments while they
// count, and has the leases of the dead end at once.
func TestKilledProcessesLoseNoCount(t *testing.T) {
	const processes = 3
	s := scene{t.TempDir()}
	must(t, os.WriteFile(s.counter(), fmt.Appendf(nil, "%10d\n", 0), 0o666))
	start := func(i int) *testproc.Proc {
		p := testproc.Start(t, "counting", s.dir, strconv.Itoa(i))
		p.Expect("ready")
		return p
	}
	procs := make([]*testproc.Proc, processes)
	for i := range procs {
		procs[i] = start(i)
	}
	l := lease.New(s.lock(), fenced)
	kills, holders := locktest.Kills(t, 50), 0
	for round := range kills {
		time.Sleep(time.Duration(rand.IntN(10000)) * time.Microsecond) // at a random moment
		i := rand.IntN(processes)
		procs[i].Kill()
		if code := procs[i].Cmd.ProcessState.ExitCode(); code == testproc.Failed {
			t.Fatalf("round %d: process %d had failed", round, i)
		}
		if d, err := l.Details(bg); err == nil && d.PID == procs[i].PID() {
			holders++
			must(t, age(s.lock()))
		}
		before := s.value(t)
		for end := time.Now().Add(30 * time.Second); s.value(t) == before; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatalf("round %d: the lock stays taken", round)
			}
		}
		procs[i] = start(i)
	}
	for i, p := range procs {
		p.Kill()
		if code := p.Cmd.ProcessState.ExitCode(); code == testproc.Failed {
			t.Errorf("process %d had failed", i)
		}
	}
	seen := map[string]bool{}
	logs, err := filepath.Glob(filepath.Join(s.dir, "log.*"))
	must(t, err)
	for _, name := range logs {
		b, err := os.ReadFile(name)
		must(t, err)
		for line := range strings.Lines(string(b)) {
			if seen[line] {
				t.Errorf("two have counted %s", line)
			}
			seen[line] = true
		}
	}
	total := s.value(t)
	if missing := total - len(seen); missing < 0 || missing > kills+processes {
		t.Errorf("of %d counts %d are not noted", total, missing)
	}
	t.Logf("%d kills, %d of them of the holder, %d counts", kills, holders, total)
}

// crashing is a process that takes and gives back a lease, and ends ahead of one
// of its file operations as if it were killed. Its arguments are the path and
// the number of the operation.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	count := 0
	fault.Install(&fault.Plan{Before: func(fault.Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Hour) // until it takes effect
		}
		return nil
	}})
	if err := lease.New(args[0], fenced).Do(bg, func(context.Context) error { return nil }); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestLaw11CrashAheadOfEveryOperationLeavesNoHalfRecord walks through an
// acquisition and a release, of a free lock and of one whose lease has ended.
func TestLaw11CrashAheadOfEveryOperationLeavesNoHalfRecord(t *testing.T) {
	for _, ended := range []bool{false, true} {
		for n := 1; ; n++ {
			path := lockPath(t)
			if ended {
				leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
			}
			p := testproc.Start(t, "crashing", path, strconv.Itoa(n))
			out := p.Rest()
			p.Wait()
			l := lease.New(path, fenced)
			if s, err := l.Inspect(bg); err != nil || s.Held && s.Holders[0].PID == 0 {
				t.Fatalf("after a crash ahead of operation %d: %+v, %v", n, s, err)
			}
			must(t, age(path))
			h, err := l.TryAcquire(bg)
			if err != nil {
				t.Fatalf("after a crash ahead of operation %d: %v", n, err)
			}
			must(t, h.Release())
			for _, name := range files(t, path) {
				own := fmt.Sprintf("x.lock|%s|%d|", host(t), p.PID()) // before it was linked, or after
				if name != "x.lock.token" && !strings.HasPrefix(name, own) && !strings.Contains(name, "another.example") {
					t.Errorf("after a crash ahead of operation %d %s is left", n, name)
				}
			}
			if out != "" {
				t.Logf("ended: %v, %d crashes", ended, n-1)
				break
			}
		}
	}
}
