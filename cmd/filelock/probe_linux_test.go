package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/cmd/filelock/internal/probe"
	"github.com/gofilelock/filelock/internal/testproc"
)

// probed runs the probe, and makes sure that it leaves nothing.
func probed(t *testing.T, dir string, args ...string) (r probe.Report) {
	t.Helper()
	got := runProgram(t, append([]string{"probe", "--json", dir}, args...)...)
	if got.status != 0 || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		t.Fatal(err)
	}
	nothingIn(t, dir)
	return r
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestProbeKnowsLocalFileSystems by their names, and that they have everything.
func TestProbeKnowsLocalFileSystems(t *testing.T) {
	memory, err := os.MkdirTemp("/dev/shm", "filelock")
	if err != nil {
		t.Skip(err)
	}
	defer os.Remove(memory)
	if r := probed(t, memory); r.System != "tmpfs" || r.Mount != "/dev/shm" || r.Remote {
		t.Errorf("%+v", r)
	}
	for _, dir := range []string{memory, t.TempDir()} {
		r := probed(t, dir)
		for _, c := range r.Checks {
			if c.Works != probe.Yes {
				t.Errorf("%s, %s: %+v", dir, r.System, c)
			}
		}
		if len(r.Checks) < 15 || r.Use != "filelock.New" {
			t.Errorf("%+v", r)
		}
	}
}

func TestProbeOfAReadOnlyMount(t *testing.T) {
	dir := t.TempDir()
	cmd := command(t, "probe", dir)
	script := `mount -t tmpfs -o ro none "$0" 2>/dev/null || { echo no mounts here >&2; exit 77; }; exec "$@"`
	args := append([]string{"--mount", "sh", "-c", script, dir}, cmd.Args...)
	inner := exec.Command("unshare", args...)
	inner.Env = cmd.Env
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip(err)
	}
	r := resultOf(t, inner)
	if r.status == 77 || r.status == 1 && strings.Contains(r.stderr, "unshare") {
		t.Skip(r.stderr)
	}
	if r.status != exitSystem || !strings.Contains(r.stderr, "read-only file system") {
		t.Errorf("%+v", r)
	}
}

func TestProbeWithAPeer(t *testing.T) {
	dir := t.TempDir()
	listener := testproc.StartCommand(t, command(t, "probe", "--listen", "127.0.0.1:0", dir))
	words := regexp.MustCompile(`--peer (\S+) --token (\S+) DIR$`).FindStringSubmatch(listener.Line())
	if words == nil {
		t.Fatal("it does not say where it listens")
	}
	r := probed(t, dir, "--peer", words[1], "--token", words[2])
	if r.Peer != words[1] || r.Use != "filelock.New" {
		t.Errorf("%+v", r)
	}
	if err := listener.Wait(); err != nil {
		t.Error(err)
	}
	nothingIn(t, dir)
}

// roles["interrupted probe"] is that role for a program that starts others.
func init() {
	roles["interrupted probe"] = func(args []string) error {
		if args[0] == "probe" { // one of them
			return roles["filelock"](args)
		}
		return roles["interrupted"](args)
	}
}

// TestInterruptedProbeLeavesNothing has the signal come at several steps.
func TestInterruptedProbeLeavesNothing(t *testing.T) {
	for op, suffix := range map[string]string{
		"create": "flock-file", "lock": "", "unlink": "flock-file", "link": "link-c", "symlink": "", "mkdir": "", "rename": "move-c",
	} {
		dir := t.TempDir()
		r := resultOf(t, commandAs(t, "interrupted probe", op, suffix, "probe", dir))
		if r.status != exitSignalled+15 {
			t.Errorf("%s: %+v", op, r)
		}
		nothingIn(t, dir)
	}
}

// TestInterruptedListenerEnds while nobody has come.
func TestInterruptedListenerEnds(t *testing.T) {
	p := testproc.StartCommand(t, command(t, "probe", "--listen", "127.0.0.1:0", t.TempDir()))
	p.Line()
	if err := p.Cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	if got := p.Cmd.ProcessState.ExitCode(); got != exitSignalled+2 {
		t.Errorf("the status is %d", got)
	}
}

// TestListenerEndsWithItsPeer, which is interrupted.
func TestListenerEndsWithItsPeer(t *testing.T) {
	dir := t.TempDir()
	listener := testproc.StartCommand(t, command(t, "probe", "--listen", "127.0.0.1:0", dir))
	words := regexp.MustCompile(`--peer (\S+) --token (\S+) DIR$`).FindStringSubmatch(listener.Line())
	peer := commandAs(t, "interrupted probe", "lock", "", "probe", "--peer", words[1], "--token", words[2], dir)
	if r := resultOf(t, peer); r.status != exitSignalled+15 {
		t.Errorf("%+v", r)
	}
	if err := listener.Wait(); err != nil {
		t.Error(err)
	}
	nothingIn(t, dir)
}

func TestProbeMisuse(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"probe"}, {"probe", dir, dir}, {"probe", "--peer", "localhost:1", dir}, {"probe", "--token", "x", dir},
		{"probe", "--peer", "localhost:1", "--token", "x", dir}, {"probe", "--peer", "a:1", "--listen", ":0", "--token", "x", dir},
	} {
		if r := runProgram(t, args...); r.status != exitUsage {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for _, args := range [][]string{
		{"probe", filepath.Join(dir, "missing")}, {"probe", "--listen", "127.0.0.1:0", filepath.Join(dir, "missing")}, {"probe", "--listen", "nowhere", dir},
	} {
		if r := runProgram(t, args...); r.status != exitSystem {
			t.Errorf("%v: %+v", args, r)
		}
	}
	nothingIn(t, dir)
}
