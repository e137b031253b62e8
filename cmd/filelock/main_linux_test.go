package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/testproc"
	"golang.org/x/sys/unix"
)

// holding starts the program with a command that says "ready" and then waits
// for a line of input.
func holding(t *testing.T, args ...string) *testproc.Proc {
	t.Helper()
	args = append(append([]string{"run"}, args...), "sh", "-c", "echo ready; read line; exit 3")
	p := testproc.StartCommand(t, command(t, args...))
	p.Expect("ready")
	return p
}

func TestConflict(t *testing.T) {
	for _, soft := range [][]string{nil, {"--soft"}} {
		path := filepath.Join(t.TempDir(), "x.lock")
		p := holding(t, append(soft, path)...)
		for _, c := range []struct {
			args   []string
			status int
			says   string
		}{
			{[]string{"-n"}, 1, "locked by"},
			{[]string{"-n", "-E", "75"}, 75, "locked by"},
			{[]string{"-w", "0"}, 1, "locked by"},
			{[]string{"-w", "0.05"}, 1, "still locked after"},
		} {
			args := append(append([]string{"run"}, soft...), c.args...)
			r := runProgram(t, append(args, path, "true")...)
			if r.status != c.status || !strings.Contains(r.stderr, c.says) || !strings.Contains(r.stderr, fmt.Sprintf("pid %d", p.PID())) {
				t.Errorf("%v: %+v", args, r)
			}
		}
		p.Say("go on")
		p.Wait()
		if got := p.Cmd.ProcessState.ExitCode(); got != 3 {
			t.Errorf("the status is %d", got)
		}
	}
}

func TestSharedWithFlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	holding(t, "-s", path)
	for args, want := range map[string]int{"-s -n": 0, "-x -n": 1} {
		cmd := exec.Command("flock", append(strings.Fields(args), path, "true")...)
		if cmd.Run(); cmd.ProcessState == nil {
			t.Skip("flock(1) is not installed")
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("flock %s: %d, want %d", args, got, want)
		}
	}
	if r := runProgram(t, "run", "-s", "-n", path, "true"); r.status != 0 {
		t.Errorf("a second shared one: %+v", r)
	}
}

func TestWaiterSaysForWhom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	holder := holding(t, path)
	cmd := command(t, "run", "-w", "1e999", path, "echo", "done") // no limit
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	waiter := testproc.StartCommand(t, cmd)
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if want := fmt.Sprintf("filelock: %s: waiting for pid %d (", path, holder.PID()); err != nil || !strings.HasPrefix(line, want) {
		t.Errorf("it says %q, %v; want %q", line, err, want)
	}
	holder.Say("go on")
	waiter.Expect("done")
	waiter.Wait()
}

func TestSignalsReachTheCommand(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGINT} {
		if signal.Ignored(s) {
			t.Logf("%v: whoever runs the tests has ignored it, as nohup does", s)
			continue
		}
		path := filepath.Join(t.TempDir(), "x.lock")
		script := fmt.Sprintf("trap 'exit %d' %d; echo ready; while :; do sleep 0.01; done", 40+int(s), int(s))
		cmd := command(t, "run", path, "sh", "-c", script)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
		p := testproc.StartCommand(t, cmd)
		p.Expect("ready")
		if err := p.Cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		p.Wait()
		if got := p.Cmd.ProcessState.ExitCode(); got != 40+int(s) {
			t.Errorf("%v: the status is %d", s, got)
		}
	}
}

func TestCommandEndedByASignal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	if r := runProgram(t, "run", path, "sh", "-c", "kill -KILL $$"); r.status != exitSignalled+9 {
		t.Errorf("%+v", r)
	}
}

func TestSignalEndsAWait(t *testing.T) {
	t.Parallel()
	for _, soft := range [][]string{nil, {"--soft"}} {
		path := filepath.Join(t.TempDir(), "x.lock")
		holder := holding(t, append(soft, path)...)
		cmd := command(t, append(append([]string{"run"}, soft...), path, "echo", "has run")...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		waiter := testproc.StartCommand(t, cmd)
		if _, err := bufio.NewReader(stderr).ReadString('\n'); err != nil { // it waits
			t.Fatal(err)
		}
		if err := waiter.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if out := waiter.Rest(); out != "" {
			t.Errorf("it printed %q", out)
		}
		waiter.Wait()
		if got := waiter.Cmd.ProcessState.ExitCode(); got != exitSignalled+15 {
			t.Errorf("the status is %d", got)
		}
		holder.Say("go on")
		holder.Wait()
		if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 1 || soft != nil && len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// roles["interrupted"] is the program that gets a signal in the middle of a file
// operation: of the kind that its first argument says, on a path that ends in
// the second.
func init() {
	roles["interrupted"] = func(args []string) error {
		fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
			if op == fault.Op(args[0]) && strings.HasSuffix(path, args[1]) {
				raise(syscall.SIGTERM)
			}
			return nil
		}})
		return roles["filelock"](args[2:])
	}
}

// raise sends this process a signal. If the process survives it, raise returns
// when the signal has come to all channels that it is notified on.
func raise(s syscall.Signal) {
	runtime.LockOSThread() // so that it is delivered first of all
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), s); err != nil {
		panic(err)
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, s)
	signal.Stop(c) // waits for signals that are on their way
}

// interrupted runs the program with a signal at an operation on a lock, and
// makes sure that the lock is free afterwards and nothing is left behind.
func interrupted(t *testing.T, op fault.Op, suffix string, soft bool, command ...string) result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.lock")
	args := []string{"run", path}
	if soft {
		args = []string{"run", "--soft", path}
	}
	cmd := commandAs(t, "interrupted", append(append([]string{string(op), suffix}, args...), command...)...)
	r := resultOf(t, cmd)
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) > 1 || soft && len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

func TestSignalKeepsTheCommandFromStarting(t *testing.T) {
	for _, r := range []result{
		interrupted(t, fault.Dup, "x.lock", false, "echo", "has run"), // the lock is held already
		interrupted(t, fault.Unlink, ".claim", true, "echo", "has run"),
	} {
		if want := (result{status: exitSignalled + 15}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

func TestSignalDoesNotInterruptRelease(t *testing.T) {
	for _, r := range []result{
		interrupted(t, fault.Unlock, "", false, exits(3)...),
		interrupted(t, fault.Unlink, "x.lock", true, exits(3)...),
	} {
		if want := (result{status: 3}); r != want {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

// TestUnreadMessageKeepsNoLock has the program write to a pipe that nobody
// reads while it has the lock.
func TestUnreadMessageKeepsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	cmd := command(t, "run", "--soft", path, "no-such-command-anywhere")
	cmd.Stderr = w
	if r := resultOf(t, cmd); r.status != exitNotFound {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the marker is left: %v", err)
	}
}

func TestReportThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	cmd := command(t, "status", filepath.Join(t.TempDir(), "x.lock"))
	cmd.Stdout = full
	if r := resultOf(t, cmd); r.status != exitSystem || !strings.Contains(r.stderr, syscall.ENOSPC.Error()) {
		t.Errorf("%+v", r)
	}
}

// TestCommandKeepsItsFiles has the program inherit a file for the command.
func TestCommandKeepsItsFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = w.WriteString("for you")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "run", filepath.Join(t.TempDir(), "x.lock"), "sh", "-c", "cat <&3")
	cmd.ExtraFiles = []*os.File{r}
	if r := resultOf(t, cmd); r.stdout != "for you" {
		t.Errorf("%+v", r)
	}
}

func TestCommandKeepsTheLockOfAKilledProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	cmd := command(t, "run", path, "sh", "-c", "echo $$; exec sleep 60")
	p := testproc.StartCommand(t, cmd)
	child, err := strconv.Atoi(p.Line())
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if r := runProgram(t, "run", "-n", path, "true"); r.status != exitConflict || !strings.Contains(r.stderr, fmt.Sprintf("pid %d (sleep 60)", child)) {
		t.Errorf("%+v", r)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := runProgram(t, "run", path, "true"); r.status != 0 {
		t.Errorf("%+v", r)
	}
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	free, taken, soft := filepath.Join(dir, "free"), filepath.Join(dir, "taken"), filepath.Join(dir, "soft")
	p := holding(t, taken)
	q := holding(t, "--soft", soft)
	shared := holding(t, "-s", filepath.Join(dir, "shared"))
	for _, c := range []struct {
		args   []string
		status int
		says   []string
	}{
		{[]string{free}, 0, []string{free + ": free\n"}},
		{[]string{free, taken}, 1, []string{free + ": free\n", fmt.Sprintf("%s: locked by pid %d (", taken, p.PID())}},
		{[]string{"--soft", soft}, 1, []string{fmt.Sprintf("%s: locked by pid %d (", soft, q.PID()), "held since"}},
		{[]string{filepath.Join(dir, "shared")}, 1, []string{fmt.Sprintf("locked shared by pid %d (", shared.PID())}},
	} {
		r := runProgram(t, append([]string{"status"}, c.args...)...)
		if r.status != c.status || r.stderr != "" {
			t.Errorf("%v: %+v", c.args, r)
		}
		for _, s := range c.says {
			if !strings.Contains(r.stdout, s) {
				t.Errorf("%v: %q is not in %q", c.args, s, r.stdout)
			}
		}
	}
	if err := os.Symlink(taken, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if r := runProgram(t, "status", filepath.Join(dir, "link"), free); r.status != exitUsage || r.stderr == "" || !strings.Contains(r.stdout, "free") {
		t.Errorf("a link: %+v", r)
	}
}

func TestManyRunOneAfterTheOther(t *testing.T) {
	dir := t.TempDir()
	path, counter := filepath.Join(dir, "x.lock"), filepath.Join(dir, "counter")
	if err := os.WriteFile(counter, []byte("0"), 0o666); err != nil {
		t.Fatal(err)
	}
	const n = 20
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if r := runProgram(t, "run", path, "sh", "-c", `read -r v <"$1" || :; echo $((v + 1)) >"$1"`, "sh", counter); r.status != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadFile(counter); err != nil || strings.TrimSpace(string(got)) != strconv.Itoa(n) {
		t.Errorf("%d runs counted to %s, %v", n, got, err)
	}
}

// TestIgnoredSignalsStayIgnored has the program started as nohup does.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	inner := command(t, "run", path, "sh", "-c", "echo ready; read line; echo $line")
	cmd := exec.Command("sh", append([]string{"-c", `trap '' HUP; exec "$@"`, "sh"}, inner.Args...)...)
	cmd.Env = inner.Env
	p := testproc.StartCommand(t, cmd)
	p.Expect("ready")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "SigIgn:\t")
	ignored, err := strconv.ParseUint(after[:16], 16, 64)
	if err != nil || ignored&(1<<(syscall.SIGHUP-1)) == 0 {
		t.Errorf("SIGHUP is no longer ignored: %x, %v", ignored, err)
	}
	p.Say("alive")
	p.Expect("alive")
	p.Wait()
}
