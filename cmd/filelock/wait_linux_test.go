package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/testproc"
)

// waiter starts the verb wait, and returns when it watches the file.
func waiter(t *testing.T, watched string, args ...string) *testproc.Proc {
	t.Helper()
	p := testproc.StartCommand(t, command(t, append([]string{"wait"}, args...)...))
	awaitWatch(t, p.PID(), watched)
	return p
}

// awaitWatch returns when the process watches the file for events: it tells
// nobody that it does.
func awaitWatch(t *testing.T, pid int, path string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	ino := fmt.Sprintf(" ino:%x ", info.Sys().(*syscall.Stat_t).Ino)
	dir := fmt.Sprintf("/proc/%d/fdinfo/", pid)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if text, _ := os.ReadFile(dir + fd.Name()); strings.Contains(string(text), ino) {
				return
			}
		}
	}
	t.Fatalf("%s is not watched", path)
}

func TestWaitEndsWithTheHold(t *testing.T) {
	for _, c := range []struct {
		options []string
		end     func(*testproc.Proc)
	}{
		{nil, (*testproc.Proc).Kill},
		{[]string{"-s"}, (*testproc.Proc).Kill},
		{[]string{"--record"}, (*testproc.Proc).Kill},
		{[]string{"--soft"}, (*testproc.Proc).Kill},
		{nil, release}, {[]string{"--soft"}, release}, {[]string{"--lease=1m"}, release},
		{[]string{"--link"}, release}, {[]string{"--mkdir"}, release}, {[]string{"--symlink"}, release}, {[]string{"--pid"}, release},
	} {
		path := filepath.Join(t.TempDir(), "x")
		// The command must not have the lock when its parent is dead.
		holder := testproc.StartCommand(t, command(t, append(append([]string{"run"}, c.options...), path, "sh", "-c", "echo ready; read line")...))
		holder.Expect("ready")
		watched, kind := path, []string{path}
		switch strings.Join(c.options, "") {
		case "--link", "--mkdir", "--symlink":
			watched += ".lock"
		case "--pid":
			kind = []string{"--pid", path}
		}
		p := waiter(t, watched, kind...)
		c.end(holder)
		if err := p.Wait(); err != nil {
			t.Errorf("%v: %v", c.options, err)
		}
	}
}

// release has the command end, and the lock with it.
func release(p *testproc.Proc) {
	p.Say("go on")
	p.Wait()
}

func TestWaitOfTheFreeAndOfTheDead(t *testing.T) {
	dir := t.TempDir()
	free := filepath.Join(dir, "free")
	stale := filepath.Join(dir, "stale")
	holding(t, "--soft", stale).Kill()
	if r := runProgram(t, "wait", free, stale); r != (result{}) {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(free); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
	if _, err := os.Lstat(stale); err != nil {
		t.Errorf("the marker was removed: %v", err)
	}
}

func TestWaitTimesOut(t *testing.T) {
	for _, options := range [][]string{nil, {"--soft"}, {"--lease=1m"}} {
		path := filepath.Join(t.TempDir(), "x")
		p := holding(t, append(options, path)...)
		for _, timeout := range []string{"0", "0.05"} {
			r := runProgram(t, "wait", "-w", timeout, path)
			if want := fmt.Sprintf("locked by pid %d (", p.PID()); r.status != exitConflict || r.stdout != "" || !strings.Contains(r.stderr, want) {
				t.Errorf("%v: %+v", options, r)
			}
		}
	}
}

// TestWaitEndsWithTheLease has a lease end by itself.
func TestWaitEndsWithTheLease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	holding(t, "--lease=1m", path).Kill()
	p := waiter(t, path, path)
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, past, past); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSignalEndsWaitAndWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	holding(t, path)
	for _, verb := range []string{"wait", "watch"} {
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			p := testproc.StartCommand(t, command(t, verb, path))
			awaitWatch(t, p.PID(), path)
			if err := p.Cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			p.Wait()
			if got := p.Cmd.ProcessState.ExitCode(); got != exitSignalled+int(s) {
				t.Errorf("%s: %v gives %d", verb, s, got)
			}
		}
	}
}

// TestWaitDisturbsNobody has flock(1) try while somebody waits: who waits takes
// no lock, not for an instant.
func TestWaitDisturbsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := exec.Command("flock", path, "true").Run(); err != nil {
		t.Skip("there is no flock(1):", err)
	}
	holder := holding(t, "-s", path)
	p := waiter(t, path, path)
	for range 100 {
		if err := exec.Command("flock", "-sn", path, "true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	release(holder)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}
