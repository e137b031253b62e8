package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A guarded command is one that runs under a lock. It is observed by a pidfd, so
// that its number may be used again.
type guarded struct {
	*testproc.Proc
	path   string
	pid    int
	pidfd  int
	stderr *os.File
}

// stubborn starts a command that does not heed SIGTERM under a lock, or sleep,
// which does.
func stubborn(t *testing.T, script string, options ...string) *guarded {
	t.Helper()
	g := &guarded{path: filepath.Join(t.TempDir(), "x")}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, append(append([]string{"run"}, options...), g.path, "sh", "-c", "echo $$; "+script)...)
	cmd.Stderr = w
	g.Proc, g.stderr = testproc.StartCommand(t, cmd), r
	w.Close()
	if g.pid, err = strconv.Atoi(g.Line()); err == nil {
		g.pidfd, err = unix.PidfdOpen(g.pid, 0)
	}
	if err != nil {
		t.Skip("no pidfd:", err)
	}
	t.Cleanup(func() {
		unix.PidfdSendSignal(g.pidfd, unix.SIGKILL, nil, 0)
		unix.Close(g.pidfd)
		r.Close()
	})
	return g
}

const (
	deaf  = "trap '' TERM; while :; do sleep 0.05; done"
	ready = "exec sleep 600"
)

// dead reports whether the command is dead, or is within the limit.
func (g *guarded) dead(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(g.pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(end).Milliseconds())))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// said returns what was said on standard error, once all who could are dead.
func (g *guarded) said() string {
	text, _ := io.ReadAll(g.stderr)
	return string(text)
}

// TestLossEndsTheCommand has the marker removed.
func TestLossEndsTheCommand(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"--soft"}, {"--lease=1m"}, {"--link"}, {"--mkdir"}, {"--symlink"}, {"--pid"}} {
		for _, script := range []string{deaf, ready} {
			g := stubborn(t, script, options...)
			marker := g.path
			if _, err := os.Lstat(marker); err != nil {
				marker += ".lock"
			}
			if err := os.RemoveAll(marker); err != nil {
				t.Fatal(err)
			}
			g.Wait()
			if !g.dead(0) || g.Cmd.ProcessState.ExitCode() != exitLost {
				t.Errorf("%v: %v", options, g.Cmd.ProcessState)
			}
			if text := g.said(); !strings.HasPrefix(text, "filelock: "+g.path) || !strings.Contains(text, "the lock was lost") {
				t.Errorf("%v: it says %q", options, text)
			}
		}
	}
}

// TestLossIsToldThoughTheCommandHasEnded has the guard kill the command first: to the
// one that has the lock, which is stopped meanwhile, both happen at once.
func TestLossIsToldThoughTheCommandHasEnded(t *testing.T) {
	t.Parallel()
	for range 10 {
		g := stubborn(t, ready, "--lease=1m")
		g.Cmd.Process.Signal(syscall.SIGSTOP)
		if err := os.Remove(g.path); err != nil {
			t.Fatal(err)
		}
		g.dead(time.Minute)
		time.Sleep(300 * time.Millisecond) // until it is time to look, too
		g.Cmd.Process.Signal(syscall.SIGCONT)
		g.Wait()
		if text := g.said(); strings.Count(text, "the lock was lost") != 1 || g.Cmd.ProcessState.ExitCode() != exitLost {
			t.Errorf("%v: it says %q", g.Cmd.ProcessState, text)
		}
	}
}

func TestLossMayBeIgnored(t *testing.T) {
	for _, options := range [][]string{{"--soft"}, {"--lease=1m"}} {
		g := stubborn(t, "read line; exit $line", append(options, "--on-loss=ignore", "--json")...)
		if err := os.Remove(g.path); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 4096)
		n, err := g.stderr.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		if said := parsed[notice](t, string(line[:n])); said[0].Event != "lost" || said[0].Path != g.path {
			t.Errorf("it says %+v", said)
		}
		g.Say("3")
		g.Wait()
		if got := g.Cmd.ProcessState.ExitCode(); got != 3 {
			t.Errorf("%v: the status is %d", options, got)
		}
	}
}

// TestLaw13CommandIsDeadBeforeTheLeaseIsAnothers has those who renew a lease
// stopped, or killed. Others do not get the lock before the command is dead.
func TestLaw13CommandIsDeadBeforeTheLeaseIsAnothers(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		scripts := []string{deaf}
		if locktest.Thorough() {
			scripts = append(scripts, ready)
		}
		for _, script := range scripts {
			t.Run(fmt.Sprintf("%v %s", s, script), func(t *testing.T) {
				t.Parallel()
				g := stubborn(t, script, "--lease=1s")
				if err := g.Cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
				r := runProgram(t, "run", "--lease=1m", "-q", g.path, "echo", "mine")
				if !g.dead(0) {
					t.Error("the lock is another's, and the command lives")
				}
				if r != (result{stdout: "mine\n"}) {
					t.Errorf("%+v", r)
				}
				g.Cmd.Process.Signal(syscall.SIGCONT)
				g.Wait()
				if got := g.Cmd.ProcessState.ExitCode(); s == syscall.SIGSTOP && got != exitLost {
					t.Errorf("the status is %d", got)
				}
			})
		}
	}
}

// TestGuardLeavesNothing runs commands under a lease, and looks for what is left
// of their guards.
func TestGuardLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for range 20 {
		for _, want := range []int{0, 3} {
			if r := runProgram(t, append([]string{"run", "--lease=1m", path}, exits(want)...)...); r != (result{status: want}) {
				t.Errorf("%+v, want %d", r, want)
			}
		}
	}
	if r := runProgram(t, "run", "--lease=1m", path, "no-such-command-anywhere"); r.status != exitNotFound {
		t.Errorf("%+v", r)
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if line, _ := os.ReadFile(p); strings.Contains(string(line), path) {
			t.Errorf("%s is left: %q", p, line)
		}
	}
	if left, _ := filepath.Glob(path + "*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestGuardOutlivesSignals that a terminal sends to all, and then does its work.
func TestGuardOutlivesSignals(t *testing.T) {
	g := stubborn(t, ready, "--lease=1s")
	guard := childOf(t, g.PID(), guardVerb)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if err := syscall.Kill(guard, s); err != nil {
			t.Fatal(err)
		}
	}
	g.Kill()
	if !g.dead(time.Minute) {
		t.Error("the command lives")
	}
}

// TestGuardIsNotTakenInByTheSamePID of a later holder, as that of another
// container can be: they often have number 1. Who renews the lease is stopped.
func TestGuardIsNotTakenInByTheSamePID(t *testing.T) {
	g := stubborn(t, ready, "--lease=1h")
	if err := g.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	claim, err := os.ReadFile(g.path)
	if err != nil {
		t.Fatal(err)
	}
	claim[len(claim)-1] ^= 1 // in the number of the hold
	later, ends := g.path+".later", time.Now().Add(time.Hour)
	err = errors.Join(os.WriteFile(later, claim, 0o666), os.Chtimes(later, ends, ends), os.Rename(later, g.path))
	if err != nil {
		t.Fatal(err)
	}
	if !g.dead(30 * time.Second) {
		t.Error("the command lives")
	}
}

// childOf returns the child of a process that has the word on its command line.
func childOf(t *testing.T, parent int, word string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		t.Skip(err)
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, task := range tasks {
		more, _ := os.ReadFile(task)
		text = append(text, more...)
	}
	for child := range strings.FieldsSeq(string(text)) {
		if line, _ := os.ReadFile("/proc/" + child + "/cmdline"); strings.Contains(string(line), word) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("%d has no child %s: %q", parent, word, text)
	return 0
}

// TestKilledAtAnyMoment kills those who renew leases while they begin, with a
// command that heeds SIGTERM and one that does not. All that is left, commands and
// guards, ends soon. They have a pipe open, which ends with the last of them.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	const each = 20
	began, rounds := 0, 2
	if locktest.Thorough() {
		rounds = 5
	}
	for range rounds {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for i := range each {
			script := map[bool]string{false: ready, true: deaf}[i%4 == 0]
			mark := filepath.Join(dir, fmt.Sprint("began", i))
			cmd := command(t, "run", "--lease=1s", filepath.Join(dir, fmt.Sprint(i)), "sh", "-c", ">"+mark+"; "+script)
			cmd.ExtraFiles = []*os.File{w}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // at a random moment
			cmd.Process.Kill()
			cmd.Wait()
			if _, err := os.Lstat(mark); err == nil {
				began++
			}
		}
		w.Close()
		r.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("something goes on: %v", err)
		}
		r.Close()
	}
	t.Logf("%d of %d were killed after the command had begun", began, rounds*each)
}
