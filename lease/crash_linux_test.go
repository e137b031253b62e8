package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

func init() {
	maps.Copy(roles, locktest.Roles(fencedKind))
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

// fencedKind has leases that last for longer than a busy machine may do nothing.
var fencedKind = locktest.Kind{
	Name: "fenced lease",
	New: func(path string, opts ...filelock.FileOption) locktest.Lock {
		c := fenced
		c.Lifetime = 15 * time.Second
		return lease.New(path, c, locktest.Options(opts)...)
	},
}

// TestKilledProcessesLoseNoCount kills processes at random moments while they
// count, and has the leases of the dead end at once.
func TestKilledProcessesLoseNoCount(t *testing.T) {
	const processes = 3
	s := locktest.NewScene(t)
	start := func(i int) *testproc.Proc { return fencedKind.Counting(t, s, 2, i) }
	procs := make([]*testproc.Proc, processes)
	for i := range procs {
		procs[i] = start(i)
	}
	l := lease.New(s.Lock(), fenced)
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
			must(t, age(s.Lock()))
		}
		before := s.Value(t)
		for end := time.Now().Add(30 * time.Second); s.Value(t) == before; time.Sleep(100 * time.Microsecond) {
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
	s.Check(t, kills+processes)
	t.Logf("%d of the kills were of the holder", holders)
}

// crashing is a process that takes and gives back a lease, and ends ahead of one
// of its file operations as if it were killed. Its arguments are the path and
// the number of the operation.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	fault.InstallKill(n)
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
			if out == "done\n" {
				t.Logf("ended: %v, %d crashes", ended, n-1)
				break
			}
		}
	}
}
