//go:build unix || windows

package marker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["crashing"] = crashing
	roles["breaking"] = breaking
}

// TestKilledHoldersAreBroken kills processes at random moments while they count,
// and breaks the marker of whoever is dead: never do two have the lock, and no
// count is lost.
func TestKilledHoldersAreBroken(t *testing.T) { killHolders(t, kinds()) }

// TestKilledHoldersAreClearedAway is the same with processes that do it by
// themselves.
func TestKilledHoldersAreClearedAway(t *testing.T) {
	all := provable()
	for i, k := range all {
		all[i] = clearing(k)
	}
	killHolders(t, all)
}

func killHolders(t *testing.T, kinds []locktest.Kind) {
	const processes, goroutines = 4, 3
	n := locktest.Kills(t, 100) / len(kinds)
	for _, k := range kinds {
		t.Run(k.Name, func(t *testing.T) {
			crowd := locktest.Gather(t, k, locktest.NewScene(t), processes, goroutines)
			for range n {
				crowd.KillOne()
			}
			crowd.End()
		})
	}
}

// crashing is a process that takes and gives back a lock, and ends ahead of one
// of its file operations as if it were killed. Its arguments are the kind, the
// path and the number of the operation.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fault.InstallKill(n)
	if err := kindNamed(args[0]).New(args[1]).Do(context.Background(), func(context.Context) error { return nil }); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestCrashAheadOfEveryOperationLeavesWhatIsDocumented walks through an
// acquisition and a release, operation by operation, with and without a dead
// one's marker in the way. What is left is a marker that one can see to be a dead
// one's, or that names nobody, and of links files that are in nobody's way.
func TestCrashAheadOfEveryOperationLeavesWhatIsDocumented(t *testing.T) {
	for _, k := range kinds() {
		crashEverywhere(t, k, func(string) {}, 1)
	}
	for _, k := range provable() {
		crashEverywhere(t, clearing(k), func(path string) { k.Elsewhere(t, path).Kill() }, 2)
	}
}

func crashEverywhere(t *testing.T, k locktest.Kind, setup func(path string), most int) {
	for n := 1; ; n++ {
		path := lockPath(t)
		setup(path)
		p := testproc.Start(t, "crashing", k.Name, path, strconv.Itoa(n))
		op := trim(p.Rest())
		p.Wait()
		if op == "done" {
			t.Logf("%s: %d crashes", k.Name, n-1)
			return
		}
		l := k.New(path)
		s, err := l.Inspect(bg)
		must(t, err)
		if s.Held {
			// Between making a directory or a PID file and filling it, or between
			// emptying a directory and removing it.
			nameless := s.Holders[0].PID == 0 && !strings.HasPrefix(k.Name, "link") && !strings.HasPrefix(k.Name, "symlink")
			if !s.Stale && !nameless && k.Proves {
				t.Errorf("%s, ahead of operation %d, %s: %+v", k.Name, n, op, s)
			}
			must(t, l.Break(bg, s))
		}
		h, err := l.TryAcquire(bg)
		if err != nil {
			t.Fatalf("%s: after a crash ahead of operation %d, %s: %v", k.Name, n, op, err)
		}
		must(t, h.Release())
		left := files(t, filepath.Dir(path))
		if len(left) > 0 && !(strings.HasPrefix(k.Name, "link") && len(left) <= most) {
			t.Errorf("%s: a crash ahead of operation %d, %s, leaves %q", k.Name, n, op, left)
		}
	}
}

// breaking is a process that again and again removes the marker of the dead, has
// the lock, and leaves it as if it had been killed. Its arguments are the kind,
// the directory, a dead process's id and how long to go on.
func breaking(args []string) error {
	k, s := kindNamed(args[0]), locktest.Scene{Dir: args[1]}
	d, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	l := clearing(k).New(s.Lock())
	breaks := 0
	for end := time.Now().Add(d); breaks < 3 || time.Now().Before(end); breaks++ { // however slow the machine is
		h, err := l.Acquire(bg, filelock.WithPollInterval(100*time.Microsecond), filelock.WithTimeout(time.Minute))
		if err != nil {
			return err
		}
		if err := s.Count(io.Discard); err != nil {
			return err
		}
		if err := plant(k, s, args[2]); err != nil {
			return err
		}
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			return fmt.Errorf("the release of a marker that is another's: %w", err)
		}
	}
	fmt.Println(breaks)
	return nil
}

// plant has this process's marker be one of the dead process pid, in one step. On
// Windows it is not to be had while others look at it, and a file that they have
// open cannot be replaced: while it is half written it says nothing.
func plant(k locktest.Kind, s locktest.Scene, pid string) (err error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if err = plantOnce(k, s, pid); err == nil || runtime.GOOS != "windows" || time.Now().After(end) {
			return err
		}
	}
}

func plantOnce(k locktest.Kind, s locktest.Scene, pid string) error {
	path, own := k.LockFile(s.Lock()), fmt.Sprintf("%s/planted.%d", s.Dir, os.Getpid())
	dead := func(name string) string { // and another number, since no two are the same
		left := name[:strings.LastIndex(name, ".")]
		return fmt.Sprintf("%s.%s-%d", left, pid, rand.Int64())
	}
	switch k.Name {
	case "link":
		name, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if runtime.GOOS == "windows" {
			return os.WriteFile(path, []byte(dead(string(name))), 0o666)
		}
		return errors.Join(os.WriteFile(own, []byte(dead(string(name))), 0o666), os.Rename(own, path))
	case "mkdir":
		inside, err := os.ReadDir(path)
		if err != nil || len(inside) != 1 {
			return fmt.Errorf("the directory holds %v: %w", inside, err)
		}
		name := inside[0].Name()
		return os.Rename(filepath.Join(path, name), filepath.Join(path, dead(name)))
	case "symlink":
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return errors.Join(os.Symlink(dead(to), own), os.Rename(own, path))
	default:
		return errors.Join(os.WriteFile(own, []byte(pid+"\n"), 0o666), os.Rename(own, path))
	}
}

// TestLaw07OnlyTheInspectedMarkerIsRemoved would let two have the lock if a
// marker other than the dead one's were ever removed.
func TestLaw07OnlyTheInspectedMarkerIsRemoved(t *testing.T) {
	d := locktest.Seconds(t, 1)
	for _, k := range provable() {
		t.Run(k.Name, func(t *testing.T) {
			s, dead := locktest.NewScene(t), strconv.Itoa(deadPID(t))
			var procs []*testproc.Proc
			for range 6 {
				procs = append(procs, testproc.Start(t, "breaking", k.Name, s.Dir, dead, d.String()))
			}
			breaks := 0
			for i, p := range procs {
				n, err := strconv.Atoi(trim(p.Rest()))
				if errWait := p.Wait(); errWait != nil || err != nil {
					t.Errorf("process %d failed: %v, %v", i, errWait, err)
				}
				breaks += n
			}
			if breaks < 10 && runtime.GOOS != "windows" || breaks == 0 {
				t.Errorf("there were %d breaks only", breaks)
			}
			t.Logf("%d breaks in %v", breaks, d)
		})
	}
}
