//go:build unix || windows

package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A scene is a [locktest.Scene], with markers in it.
type scene struct{ locktest.Scene }

func sceneIn(dir string) scene { return scene{locktest.Scene{Dir: dir}} }

func kindNamed(name string) locktest.Kind {
	for _, k := range []locktest.Kind{flockKind, recordKind, softKind, removeKind} {
		if k.Name == name {
			return k
		}
	}
	panic("no kind " + name)
}

// removeKind has its file removed at each release.
var removeKind = locktest.Kind{
	Name: "remove",
	New: func(path string, opts ...filelock.FileOption) locktest.Lock {
		return filelock.New(path, append([]filelock.FileOption{filelock.WithRemove()}, opts...)...)
	},
}

func init() {
	maps.Copy(roles, locktest.Roles(removeKind))
	roles["crashing"] = crashing
	roles["breaking"] = breaking
}

// TestKilledProcessesLoseNoCount kills processes at random moments while they
// count: never do two have the lock, no count is lost, and the lock never stays
// taken.
func TestKilledProcessesLoseNoCount(t *testing.T) {
	const processes, goroutines = 4, 4
	kinds := append(kinds(), removeKind)
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
// path, the number of the operation, and how often it has had the lock before.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	before, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	l := kindNamed(args[0]).New(args[1])
	use := func() error { return l.Do(context.Background(), func(context.Context) error { return nil }) }
	for range before {
		if err := use(); err != nil {
			return err
		}
	}
	fault.InstallKill(n)
	if err := use(); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestCrashAheadOfEveryOperationLeavesTheLockFree walks through an acquisition
// and a release, operation by operation: the first of a process, and later ones,
// for which it has kept something.
func TestCrashAheadOfEveryOperationLeavesTheLockFree(t *testing.T) {
	for _, k := range append(kinds(), removeKind) {
		for _, stale := range []bool{false, true} {
			if stale && k.Name != "soft" {
				continue
			}
			for before := range 3 {
				crashes := 0
				for crash(t, k, stale, crashes+1, before) {
					crashes++
				}
				t.Logf("%s, used %d times before: %d crashes", k.Name, before, crashes)
			}
		}
	}
}

// crash reports whether a process was killed ahead of its nth operation.
func crash(t *testing.T, k locktest.Kind, stale bool, n, before int) bool {
	defer filelock.KeepLong()()
	path := lockPath(t)
	if stale {
		leaveStale(t, path)
	}
	p := testproc.Start(t, "crashing", k.Name, path, strconv.Itoa(n), strconv.Itoa(before))
	out := p.Rest()
	p.Wait()
	if p.Cmd.ProcessState.ExitCode() == testproc.Failed {
		t.Fatalf("%s: before operation %d it failed", k.Name, n)
	}
	for range 3 { // the last two of which tidy up
		ctx, cancel := context.WithTimeout(bg, 30*time.Second)
		h, err := k.New(path).Acquire(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%s: after a crash ahead of operation %d: %v", k.Name, n, err)
		}
		must(t, h.Release())
	}
	filelock.CloseKept()
	if left, err := filepath.Glob(path + ".0000000000000000.claim"); err != nil || len(left) > 0 {
		t.Errorf("%s: after a crash ahead of operation %d there is left: %v, %v", k.Name, n, left, err)
	}
	return out != "done\n"
}

// breaking is a process that again and again clears a stale marker away, has
// the lock, and leaves it as if it had been killed. Its arguments are the
// directory, how long to go on, and "rename" for the way of breaking that does
// not work.
func breaking(args []string) error {
	s := sceneIn(args[0])
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	var breaks int
	remove := mark.Break
	if len(args) > 2 {
		remove = breakByRename
	}
	l := filelock.NewSoftBreaking(s.Lock(), func(path string, e mark.Evidence) (bool, error) {
		removed, err := remove(path, e)
		if removed {
			breaks++
		}
		return removed, err
	})
	stale, err := os.ReadFile(filepath.Join(s.Dir, "stale"))
	if err != nil {
		return err
	}
	end := time.Now().Add(d)
	for n := 0; n < 3 || time.Now().Before(end); n++ { // however slow the machine is
		h, err := l.Acquire(context.Background(), filelock.WithPollInterval(100*time.Microsecond), filelock.WithTimeout(time.Minute))
		if err != nil {
			return err
		}
		if err := s.Count(io.Discard); err != nil {
			return err
		}
		if err := s.plant(stale); err != nil {
			return err
		}
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			return fmt.Errorf("the release of a marker that is gone: %w", err)
		}
	}
	fmt.Println(breaks)
	return nil
}

// plant has a stale marker stand in the place of this process's.
func (s scene) plant(stale []byte) error {
	if runtime.GOOS != "windows" {
		own := filepath.Join(s.Dir, fmt.Sprintf("stale.%d", os.Getpid()))
		return errors.Join(os.WriteFile(own, stale, 0o666), os.Rename(own, s.Lock()))
	}
	// A file that others look at cannot be replaced, nor always written to.
	// While it is half written it is malformed, and so held.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := os.WriteFile(s.Lock(), stale, 0o666)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// breakByRename renames a marker away and looks at it then: whoever's it is has
// lost it by that time.
func breakByRename(path string, e mark.Evidence) (bool, error) {
	// Others come between, on any machine; or they wait for this one as well.
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if at, err := sys.Lstat(path); err != nil || at.ID != e.Info.ID {
			break
		}
	}
	aside := fmt.Sprintf("%s.break.%d", path, os.Getpid())
	if err := os.Rename(path, aside); err != nil {
		return false, mark.ErrChanged
	}
	now, err := mark.Inspect(aside, record.MaxMarker)
	if err != nil {
		return false, err
	}
	if string(now.Content) != string(e.Content) || now.Info != e.Info {
		return false, mark.ErrChanged
	}
	return true, os.Remove(aside)
}

// storm has six processes break stale markers for a while, and returns how many
// they broke and what went wrong.
func storm(t *testing.T, d time.Duration, how ...string) (breaks int, failures int) {
	s := scene{locktest.NewScene(t)}
	leaveStale(t, filepath.Join(s.Dir, "stale"))
	var procs []*testproc.Proc
	for range 6 {
		procs = append(procs, testproc.Start(t, "breaking", append([]string{s.Dir, d.String()}, how...)...))
	}
	for _, p := range procs {
		n, err := strconv.Atoi(trim(p.Rest()))
		if errWait := p.Wait(); errWait != nil || err != nil {
			failures++
		}
		breaks += n
	}
	return breaks, failures
}

func trim(s string) string { return strings.TrimSpace(s) }

// TestLaw07OnlyTheInspectedMarkerIsRemoved would let two have the lock if a
// marker other than the stale one were ever removed.
func TestLaw07OnlyTheInspectedMarkerIsRemoved(t *testing.T) {
	d := locktest.Seconds(t, 2)
	breaks, failures := storm(t, d)
	if failures > 0 {
		t.Errorf("%d of 6 processes failed", failures)
	}
	if breaks < 10 {
		t.Errorf("there were %d breaks only", breaks)
	}
	t.Logf("%d breaks in %v", breaks, d)
}

// TestLaw07IsFoundBroken makes sure that the test above would notice.
func TestLaw07IsFoundBroken(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be renamed on Windows")
	}
	for range 10 {
		if _, failures := storm(t, time.Second, "rename"); failures > 0 {
			return
		}
	}
	t.Error("breaking by renaming goes unnoticed")
}
