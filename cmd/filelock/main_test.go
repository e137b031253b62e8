package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

var roles = map[string]testproc.Role{"filelock": func(args []string) error {
	os.Exit(dispatch(args, os.Stdout, os.Stderr))
	return nil
}}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

// command returns this program, to be started with args.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return commandAs(t, "filelock", args...)
}

func commandAs(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	return cmd
}

// result is what a run of the program has come to.
type result struct {
	status         int
	stdout, stderr string
}

func runProgram(t *testing.T, args ...string) result {
	t.Helper()
	return resultOf(t, command(t, args...))
}

// resultOf runs cmd. What it prints elsewhere is not in the result.
func resultOf(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// exits returns a command that ends with a status.
func exits(status int) []string {
	if runtime.GOOS == "windows" {
		return []string{"cmd", "/c", "exit " + strconv.Itoa(status)}
	}
	return []string{"sh", "-c", "exit " + strconv.Itoa(status)}
}

func TestStatusOfTheCommandIsPassedOn(t *testing.T) {
	for _, soft := range [][]string{nil, {"--soft"}} {
		for _, want := range []int{0, 1, 42} {
			args := append([]string{"run"}, soft...)
			args = append(args, filepath.Join(t.TempDir(), "x.lock"))
			if r := runProgram(t, append(args, exits(want)...)...); r.status != want || r.stderr != "" {
				t.Errorf("%v: %+v, want %d", args, r, want)
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	for _, args := range [][]string{
		{},
		{"fly"},
		{"run"},
		{"run", path},
		{"run", "-w", "soon", path, "true"},
		{"run", "-w", "NaN", path, "true"},
		{"run", "-w", "-1", path, "true"},
		{"run", "-w", "-1e-300", path, "true"},
		{"run", "-w", "-Inf", path, "true"},
		{"run", "--fast", path, "true"},
		{"run", "-E", "256", path, "true"},
		{"run", "-E", "-1", path, "true"},
		{"run", "", "true"},
		{"run", "--soft", "", "true"},
		{"status"},
		{"status", ""},
		{"wait"},
		{"wait", ""},
		{"wait", "-w", "soon", path},
		{"watch"},
		{"watch", ""},
		{"list", "--fast"},
		{"break"},
		{"break", ""},
		{"break", path, path},
		{"gc"},
		{"gc", "--older-than", "-1s", filepath.Dir(path)},
	} {
		r := runProgram(t, args...)
		if r.status != exitUsage || !strings.Contains(r.stderr, "filelock") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	for page, calls := range map[string][][]string{
		usage:                                 {{"--help"}, {"help"}},
		(&runSettings{}).command().Usage():    {{"run", "-h"}, {"run", "--he"}},
		new(statusSettings).command().Usage(): {{"status", "--help"}},
		new(waitSettings).command().Usage():   {{"wait", "-h"}},
		new(watchSettings).command().Usage():  {{"watch", "--help"}},
		listCommand(new(bool)).Usage():        {{"list", "--help"}},
		(&breakSettings{}).command().Usage():  {{"break", "--help"}},
		(&gcSettings{}).command().Usage():     {{"gc", "--help"}},
		(&probeSettings{}).command().Usage():  {{"probe", "--help"}},
	} {
		for _, args := range calls {
			if r := runProgram(t, args...); r.status != 0 || r.stdout != page {
				t.Errorf("%v: %+v", args, r)
			}
		}
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("a lock file was made: %v", err)
	}
}

func TestCommandThatCannotBeRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.lock")
	r := runProgram(t, "run", path, "no-such-command-anywhere")
	if r.status != exitNotFound || !strings.Contains(r.stderr, "no-such-command-anywhere") {
		t.Errorf("%+v", r)
	}
	if r := runProgram(t, "run", "-n", path, exits(5)[0], exits(5)[1], exits(5)[2]); r.status != 5 {
		t.Errorf("the lock stays taken: %+v", r)
	}
	if runtime.GOOS != "windows" {
		if r := runProgram(t, "run", path, dir); r.status != exitCannotRun || r.stderr == "" {
			t.Errorf("a directory as the command: %+v", r)
		}
	}
}

func TestLockThatCannotBeHad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "x.lock")
	r := runProgram(t, "run", path, "true")
	if r.status != exitSystem || !strings.Contains(r.stderr, path) {
		t.Errorf("%+v", r)
	}
}
