package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/testproc"
)

func TestOnConflict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	holding(t, path)
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"--on-conflict=exit"}, 1, "locked by"},
		{[]string{"--on-conflict=exit", "-E", "9"}, 9, "locked by"},
		{[]string{"--on-conflict=exit", "-w", "0.01"}, 1, "still locked after"},
		{[]string{"--on-conflict=skip"}, 0, "locked by"},
		{[]string{"--on-conflict=skip", "-E", "9", "-w", "0.01"}, 0, "still locked after"},
		{[]string{"--on-conflict=wait", "-w", "0.01"}, 1, "still locked after"},
		{[]string{"--on-conflict=skip", "-q"}, 0, ""},
		{[]string{"-nq"}, 1, ""},
	} {
		r := runProgram(t, append(append([]string{"run"}, c.args...), path, "echo", "has run")...)
		if r.status != c.status || r.stdout != "" || !strings.Contains(r.stderr, c.says) || (c.says == "") != (r.stderr == "") {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
	for _, args := range [][]string{{"--on-conflict=fly"}, {"--on-loss=fly"}, {"--content={pid", "-x"}, {"--soft", "--content=x"}, {"--lease=1s", "--content=x"}, {"--pid", "--content=x"}} {
		if r := runProgram(t, append(append([]string{"run"}, args...), path+"2", "echo", "has run")...); r.status != exitUsage || r.stdout != "" || r.stderr == "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if _, err := os.Lstat(path + "2"); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestRunInJSON(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	holder := holding(t, path)
	r := runProgram(t, "run", "--json", "-w", "1.2", path, "true")
	said := parsed[notice](t, r.stderr)
	if len(said) != 2 || r.status != exitConflict {
		t.Fatalf("%+v", r)
	}
	for i, event := range []string{"waiting", "conflict"} {
		n := said[i]
		if n.Event != event || n.Path != path || n.Waited < 1 || n.Holder == nil || n.Holder.PID != holder.PID() || n.Text == "" {
			t.Errorf("%+v", n)
		}
	}
	r = runProgram(t, "run", "--json", filepath.Join(path, "x"), "true")
	if said := parsed[notice](t, r.stderr); len(said) != 1 || said[0].Event != "error" || r.status != exitSystem {
		t.Errorf("%+v", r)
	}
}

func TestContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	p := holding(t, "--content= {pid}\n", path)
	if got, err := os.ReadFile(path); err != nil || string(got) != fmt.Sprintf(" %d\n", p.PID()) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestQuietWaiterSaysNothing has one wait until it would have said something.
func TestQuietWaiterSaysNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	holding(t, path)
	if r := runProgram(t, "run", "-q", "-w", "1.2", path, "true"); r != (result{status: exitConflict}) {
		t.Errorf("%+v", r)
	}
}

// TestFilesThatCannotBeLocked says what is wrong, once and clearly, and leaves
// nothing.
func TestFilesThatCannotBeLocked(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("/dev/null", filepath.Join(dir, "link")), unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{
		"link": exitUsage, "fifo": exitUsage, "missing/x": exitSystem, "fifo/x": exitSystem, strings.Repeat("x", 300): exitSystem, "": exitUsage,
	} {
		for _, options := range [][]string{nil, {"--soft"}, {"--record"}} {
			path := filepath.Join(dir, file)
			if file == "" {
				path = ""
			}
			r := runProgram(t, append(append([]string{"run"}, options...), path, "echo", "has run")...)
			if r.status != want || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "filelock: ") {
				t.Errorf("%v %q: %+v, want %d", options, file, r, want)
			}
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFullAndReadOnlyDisk has a file system without room, and then one that
// cannot be written to.
func TestFullAndReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4k,nr_inodes=3"); err != nil {
		t.Skip("only root can mount:", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "x")
	if r := runProgram(t, "run", path, "true"); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	write(t, filepath.Join(dir, "full"), strings.Repeat("x", 4096))
	for _, options := range [][]string{{"--content={pid}"}, {"--soft"}, {"--lease=1m"}, {"--link"}, {"--mkdir"}, {"--pid"}} {
		file := filepath.Join(dir, "y")
		if strings.HasPrefix(options[0], "--content") {
			file = path
		}
		r := runProgram(t, append(append([]string{"run"}, options...), file, "echo", "has run")...)
		if r.status != exitSystem || r.stdout != "" || !strings.Contains(r.stderr, syscall.ENOSPC.Error()) {
			t.Errorf("%v: %+v", options, r)
		}
	}
	if r := runProgram(t, "run", path, "true"); r.status != 0 {
		t.Errorf("the lock is not free: %+v", r)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for file, want := range map[string]int{"x": 0, "y": exitSystem} { // what exists can be locked
		if r := runProgram(t, "run", filepath.Join(dir, file), "true"); r.status != want {
			t.Errorf("read-only, %s: %+v", file, r)
		}
	}
}

// TestNobodyMayNot has a user without rights.
func TestNobodyMayNot(t *testing.T) {
	dir := t.TempDir() // which others may not even search
	p := testproc.StartAsNobody(t, "filelock", "run", filepath.Join(dir, "x"), "echo", "has run")
	if out := p.Rest(); out != "" {
		t.Errorf("it printed %q", out)
	}
	p.Wait()
	if got := p.Cmd.ProcessState.ExitCode(); got != exitSystem {
		t.Errorf("the status is %d", got)
	}
}

// newTerminal returns a new terminal, and what sits in front of it.
func newTerminal(t *testing.T) (tty, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals:", err)
	}
	t.Cleanup(func() { user.Close() })
	conn, err := user.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	conn.Control(func(fd uintptr) {
		err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		if err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skip("no terminals:", err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, user
}

// at starts a command at a terminal of its own.
func at(t *testing.T, tty *os.File, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
}

// seen reads what is shown until want is.
func seen(t *testing.T, user io.Reader, want string) string {
	t.Helper()
	var all []byte
	for b := make([]byte, 1024); !bytes.Contains(all, []byte(want)); {
		n, err := user.Read(b)
		if all = append(all, b[:n]...); err != nil {
			t.Fatalf("%q is not in %q: %v", want, all, err)
		}
	}
	return string(all)
}

func TestColoursAreForTerminals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for variables, want := range map[string]string{
		"TERM=xterm NO_COLOR=":  path + ": \x1b[32mfree\x1b[m\r\n",
		"TERM=xterm NO_COLOR=1": path + ": free\r\n",
		"TERM=dumb NO_COLOR=":   path + ": free\r\n",
	} {
		tty, user := newTerminal(t)
		cmd := command(t, "status", path)
		cmd.Env = append(cmd.Env, strings.Fields(variables)...)
		at(t, tty, cmd)
		if got := seen(t, user, "\n"); got != want {
			t.Errorf("%s: %q, want %q", variables, got, want)
		}
		cmd.Wait()
	}
}

// TestInterruptAtTheTerminal types ^C: the command gets it once, from the
// terminal, and says what the status is.
func TestInterruptAtTheTerminal(t *testing.T) {
	for _, options := range [][]string{nil, {"--soft"}, {"--lease=1m"}} {
		tty, user := newTerminal(t)
		path := filepath.Join(t.TempDir(), "x")
		cmd := command(t, append(append([]string{"run"}, options...), path, "sh", "-c", "n=0; trap 'n=$((n+1))' INT; echo ready; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.2; exit 4$n")...)
		at(t, tty, cmd)
		seen(t, user, "ready")
		if _, err := user.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 41 {
			t.Errorf("%v: the status is %d", options, got)
		}
		if left, _ := filepath.Glob(path + "*"); options != nil && left != nil {
			t.Errorf("%v: left behind: %v", options, left)
		}
	}
}

func TestInterruptOfAWaitAtTheTerminal(t *testing.T) {
	tty, user := newTerminal(t)
	path := filepath.Join(t.TempDir(), "x")
	holding(t, path)
	cmd := command(t, "run", path, "echo", "has run")
	at(t, tty, cmd)
	seen(t, user, "waiting for")
	if _, err := user.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitSignalled+int(syscall.SIGINT) {
		t.Errorf("the status is %d", got)
	}
}
