//go:build linux

package script

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// state is what belongs to a script under way.
type state struct {
	env   *testscript.Env
	calls *transcript
	procs map[string]*proc
	held  map[string]*os.File
}

type stateKey struct{}

// end ends what the script has left behind.
func (s *state) end() {
	for _, p := range s.procs {
		p.cmd.Process.Kill()
		p.wait()
	}
	for _, f := range s.held {
		f.Close()
	}
}

// patience bounds everything that a script waits for.
const patience = time.Minute

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"gives":   command(2, (*state).gives),
	"start":   command(2, (*state).start),
	"says":    command(2, (*state).says),
	"signal":  command(2, (*state).signal),
	"ends":    command(2, (*state).ends),
	"hold":    command(1, (*state).hold),
	"letgo":   command(1, (*state).letgo),
	"waiting": command(2, (*state).waiting),
}

func command(atLeast int, do func(*state, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) < atLeast {
			ts.Fatalf("see the package comment")
		}
		ts.Check(do(ts.Value(stateKey{}).(*state), ts, args))
	}
}

// A proc is a program that a script has started.
type proc struct {
	args   []string
	cmd    *exec.Cmd
	stdin  io.Closer
	out    *bufio.Reader
	stdout bytes.Buffer // what has been read of out
	stderr bytes.Buffer
	kill   *time.Timer
	status string // how it has ended
}

// launch starts a program in the script's directory.
func (s *state) launch(ts *testscript.TestScript, args []string, stdin bool) (*proc, error) {
	program := args[0]
	for dir := range strings.SplitSeq(s.env.Getenv("PATH"), ":") { // the script's, not ours
		if _, err := exec.LookPath(dir + "/" + program); err == nil && !strings.Contains(program, "/") {
			program = dir + "/" + program
		}
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir, cmd.Env = ts.MkAbs("."), s.env.Vars
	p := &proc{args: args, cmd: cmd}
	cmd.Stderr = &p.stderr
	cmd.WaitDelay = patience // a child of its may go on and have the pipe
	if stdin {
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		p.stdin = in
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, p.out = w, bufio.NewReader(r)
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	p.kill = time.AfterFunc(patience, func() { cmd.Process.Kill() })
	ts.Defer(func() { r.Close() })
	return p, nil
}

// wait waits for the end, and returns the status.
func (p *proc) wait() string {
	if p.status != "" {
		return p.status
	}
	if p.stdin != nil {
		p.stdin.Close()
	}
	io.Copy(&p.stdout, p.out)
	p.cmd.Wait()
	p.kill.Stop()
	p.status = strconv.Itoa(p.cmd.ProcessState.ExitCode())
	if w := p.cmd.ProcessState.Sys().(syscall.WaitStatus); w.Signaled() {
		p.status = strings.TrimPrefix(unix.SignalName(w.Signal()), "SIG")
	}
	return p.status
}

// finish waits for the end and notes what came of it.
func (s *state) finish(ts *testscript.TestScript, p *proc, want string) error {
	status := p.wait()
	stdout, stderr := p.stdout.String(), p.stderr.String()
	io.WriteString(ts.Stdout(), stdout)
	io.WriteString(ts.Stderr(), stderr)
	s.calls.add(ts.Name(), s.describe(p.args, status, stdout, stderr))
	if status != want {
		return fmt.Errorf("%q gives %s, want %s\nstdout: %s\nstderr: %s", p.args, status, want, stdout, stderr)
	}
	return nil
}

func (s *state) gives(ts *testscript.TestScript, args []string) error {
	p, err := s.launch(ts, args[1:], false)
	if err != nil {
		return err
	}
	return s.finish(ts, p, args[0])
}

func (s *state) start(ts *testscript.TestScript, args []string) (err error) {
	s.procs[args[0]], err = s.launch(ts, args[1:], true)
	if err != nil {
		delete(s.procs, args[0])
	}
	return err
}

// proc returns the program that was started under a name.
func (s *state) proc(name string) (*proc, error) {
	p := s.procs[name]
	if p == nil {
		return nil, fmt.Errorf("nothing called %s was started", name)
	}
	return p, nil
}

func (s *state) says(ts *testscript.TestScript, args []string) error {
	p, err := s.proc(args[0])
	if err != nil {
		return err
	}
	for {
		line, err := p.out.ReadString('\n')
		p.stdout.WriteString(line)
		if err != nil {
			return fmt.Errorf("it ended with %q: %w", p.stdout.String(), err)
		}
		if strings.TrimSuffix(line, "\n") == args[1] {
			return nil
		}
	}
}

func (s *state) signal(ts *testscript.TestScript, args []string) error {
	p, err := s.proc(args[0])
	if err != nil {
		return err
	}
	n := unix.SignalNum("SIG" + args[1])
	if n == 0 {
		return fmt.Errorf("there is no signal %s", args[1])
	}
	return p.cmd.Process.Signal(n)
}

func (s *state) ends(ts *testscript.TestScript, args []string) error {
	p, err := s.proc(args[0])
	if err != nil {
		return err
	}
	return s.finish(ts, p, args[1])
}

func (s *state) hold(ts *testscript.TestScript, args []string) error {
	how, kind, lock := unix.LOCK_EX, int16(unix.F_WRLCK), unix.Flock
	for ; strings.HasPrefix(args[0], "-"); args = args[1:] {
		switch args[0] {
		case "-s":
			how, kind = unix.LOCK_SH, unix.F_RDLCK
		case "-p":
			lock = func(fd, how int) error {
				return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind})
			}
		}
	}
	path := ts.MkAbs(args[0])
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if errors.Is(err, unix.EISDIR) {
		f, err = os.Open(path)
	}
	if err != nil {
		return err
	}
	s.held[path] = f
	return lock(int(f.Fd()), how|unix.LOCK_NB)
}

func (s *state) letgo(ts *testscript.TestScript, args []string) error {
	path := ts.MkAbs(args[0])
	f := s.held[path]
	if f == nil {
		return fmt.Errorf("%s is not held", path)
	}
	delete(s.held, path)
	return f.Close()
}

// waiting looks again and again: the system tells nobody who begins to wait.
func (s *state) waiting(ts *testscript.TestScript, args []string) error {
	info, err := os.Stat(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, " -> ") && strings.Contains(line, inode) {
				n++
			}
		}
		if strconv.Itoa(n) == args[1] {
			return nil
		}
	}
	return fmt.Errorf("%s has not so many waiters", args[0])
}
