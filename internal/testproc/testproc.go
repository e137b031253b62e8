// Package testproc lets tests start real processes: the test binary itself,
// playing a role.
package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A Role is what a process does. It talks to the test in lines: it reads
// commands from os.Stdin and prints answers. It ends the process by returning.
type Role func(args []string) error

// Failed is the exit status of a process whose role returned an error. One that
// was killed has another, on Windows too.
const Failed = 3

const roleVariable = "FILELOCK_TEST_ROLE"

// Main plays the role that this process was started for, if it was, and does
// not return then. It is the first thing in a TestMain.
func Main(roles map[string]Role) {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(Failed)
	}
	os.Exit(0)
}

// Nobody is the number of a user without rights, and of its group.
const Nobody = 65534

// A Proc is a process in a role.
type Proc struct {
	Cmd    *exec.Cmd
	t      testing.TB
	stdin  io.WriteCloser
	stdout *bufio.Reader
	pipe   io.Closer // of stdout
	waited bool
}

// Start starts a process in the given role. It is killed when the test ends.
func Start(t testing.TB, role string, args ...string) *Proc {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), Environment(role)...)
	return StartCommand(t, cmd)
}

// Environment returns what makes the test binary play a role.
func Environment(role string) []string {
	// The race detector would have every process sleep for a second at its end.
	return []string{roleVariable + "=" + role, "GORACE=atexit_sleep_ms=0"}
}

// StartCommand starts any other program, to talk to in lines.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Proc {
	t.Helper()
	p := &Proc{Cmd: cmd, t: t}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	// A pipe of our own: the one of package exec is closed by Wait, with what
	// has not been read yet.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	p.stdout, p.pipe = bufio.NewReader(r), r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		p.Kill()
		p.pipe.Close()
	})
	return p
}

// PID returns the process's id.
func (p *Proc) PID() int { return p.Cmd.Process.Pid }

// Say sends the process a line.
func (p *Proc) Say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatalf("cannot say %q: %v", line, err)
	}
}

// Line returns the next line that the process prints, and fails the test if it
// ends without one.
func (p *Proc) Line() string {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the process ended before it answered: %q, %v", line, err)
	}
	return strings.TrimRight(line, "\r\n")
}

// Expect fails the test unless the next line is want.
func (p *Proc) Expect(want string) {
	p.t.Helper()
	if got := p.Line(); got != want {
		p.t.Fatalf("the process said %q, want %q", got, want)
	}
}

// Rest returns all that the process prints until it ends. Nothing can be read from
// it after that.
func (p *Proc) Rest() string {
	b, _ := io.ReadAll(p.stdout)
	p.pipe.Close() // a test may have thousands of processes
	return string(b)
}

// Kill ends the process at once, as kill -9 does, and waits for its end.
func (p *Proc) Kill() {
	if !p.waited {
		p.Cmd.Process.Kill()
		p.Wait()
	}
}

// Wait closes the process's input and waits for its end.
func (p *Proc) Wait() error {
	p.stdin.Close()
	p.waited = true
	return p.Cmd.Wait()
}
