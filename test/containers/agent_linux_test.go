package containers

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
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["agent"] = agent
	roles["idle"] = func([]string) error {
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
}

// agent is the first process of a container, which does there what it is told,
// a line each, and answers in a line:
//
//	start NAME ROLE ARG...   starts a process, and says its id
//	as ID NAME ROLE ARG...   the same, and its id is that
//	tell NAME WORD           tells it that, and says its answer
//	hear NAME                says what it says next
//	since NAME               says when it was started, in clock ticks
//	kill NAME                kills it, and waits for its end
//	look KIND PATH           says what it sees of a lock, see sight
//	run ARG...               runs the command filelock: its status, and all it prints
func agent([]string) error {
	a := crew{}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		answer, err := a.obey(strings.Split(in.Text(), "\t"))
		if err != nil {
			return fmt.Errorf("%q: %w", in.Text(), err)
		}
		fmt.Println(answer)
	}
	return nil
}

// crew are the processes of an agent.
type crew map[string]*member

type member struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (c crew) obey(words []string) (answer any, err error) {
	switch name := words[1]; words[0] {
	case "start":
		c[name], err = newMember(words[2], words[3:])
		if err != nil {
			return nil, err
		}
		return c[name].cmd.Process.Pid, nil
	case "tell":
		if _, err := fmt.Fprintln(c[name].in, words[2]); err != nil {
			return nil, err
		}
		fallthrough
	case "hear":
		line, err := c[name].out.ReadString('\n')
		return strings.TrimSpace(line), err
	case "since":
		return since(c[name].cmd.Process.Pid)
	case "kill":
		err := c[name].cmd.Process.Kill()
		c[name].cmd.Wait()
		return "done", err
	case "as":
		id, err := strconv.Atoi(name)
		if err != nil {
			return nil, err
		}
		c[words[2]], err = newMemberAs(id, words[3], words[4:])
		return id, err
	case "look":
		return look(name, words[2])
	case "run":
		out, err := exec.Command(bin("filelock"), words[1:]...).CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			return nil, err
		} else if err != nil {
			return fmt.Sprintf("%d %q", exit.ExitCode(), out), nil
		}
		return fmt.Sprintf("0 %q", out), nil
	}
	return nil, errors.New("unknown command")
}

func newMember(role string, args []string) (*member, error) {
	m := &member{cmd: exec.Command(bin("test"), args...)}
	m.cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	m.cmd.Stderr = os.Stderr
	in, err1 := m.cmd.StdinPipe()
	out, err2 := m.cmd.StdoutPipe()
	m.in, m.out = in, bufio.NewReader(out)
	return m, errors.Join(err1, err2, m.cmd.Start())
}

// newMemberAs is newMember for a process of that id. Threads of this process may
// have taken it.
func newMemberAs(pid int, role string, args []string) (*member, error) {
	for range 1000 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", fmt.Append(nil, pid-1), 0); err != nil {
			return nil, err
		}
		m, err := newMember(role, args)
		if err != nil || m.cmd.Process.Pid == pid {
			return m, err
		}
		m.cmd.Process.Kill()
		m.cmd.Wait()
	}
	return nil, fmt.Errorf("no process gets the id %d", pid)
}

// since returns when a process was started, in clock ticks since the boot.
func since(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[19], nil
}

// A sight is what somebody sees of a lock.
type sight struct {
	held, stale bool
	pid         int
	described   bool // there is more of the holder than its id
	text        string
}

const sightFormat = "%v %v %d %v %q"

func look(kind, path string) (string, error) {
	s, err := kindNamed(kind).New(path).Inspect(bg)
	if err != nil || !s.Held {
		return fmt.Sprintf(sightFormat, s.Held, s.Stale, 0, false, fmt.Sprint(err)), nil
	}
	h := s.Holders[0]
	return fmt.Sprintf(sightFormat, s.Held, s.Stale, h.PID, h.Command != "" || !h.Started.IsZero(), h), nil
}

// A world is an agent, and those of its container.
type world struct {
	*testproc.Proc
	t *testing.T
}

// agent starts an agent in b.
func (b box) agent(t *testing.T) world {
	t.Helper()
	w := world{b.start(t, "agent"), t}
	w.Expect("ready")
	return w
}

func (w world) do(words ...string) string {
	w.t.Helper()
	w.Say(strings.Join(words, "\t"))
	return w.Line()
}

// starts starts a process of that name in a role, and returns its id.
func (w world) starts(name, role string, args ...string) (pid int) {
	w.t.Helper()
	pid, err := strconv.Atoi(w.do(append([]string{"start", name, role}, args...)...))
	must(w.t, err)
	return pid
}

// wants fails the test unless the process answers so.
func (w world) wants(name, word, want string) {
	w.t.Helper()
	if got := w.do("tell", name, word); got != want {
		w.t.Fatalf("%s, told to %s, says %q, want %q", name, word, got, want)
	}
}

// hears fails the test unless that is what the process says next.
func (w world) hears(name, want string) {
	w.t.Helper()
	if got := w.do("hear", name); got != want {
		w.t.Fatalf("%s says %q, want %q", name, got, want)
	}
}

// holds starts a process of that name that holds the lock at path.
func (w world) holds(name string, k kind, path string) (pid int) {
	w.t.Helper()
	pid = w.starts(name, "hold "+k.Name, path)
	w.wants(name, "acquire", "done")
	return pid
}

// since returns when the process of that name was started, in clock ticks.
func (w world) since(name string) string { return w.do("since", name) }

// kill kills the process of that name.
func (w world) kill(name string) { w.do("kill", name) }

// startsAs is starts for a process of that id.
func (w world) startsAs(pid int, name, role string, args ...string) {
	w.t.Helper()
	w.do(append([]string{"as", strconv.Itoa(pid), name, role}, args...)...)
}

// look returns what the agent sees of a lock.
func (w world) look(k kind, path string) (s sight) {
	w.t.Helper()
	line := w.do("look", k.Name, path)
	if _, err := fmt.Sscanf(line, sightFormat, &s.held, &s.stale, &s.pid, &s.described, &s.text); err != nil {
		w.t.Fatalf("%q: %v", line, err)
	}
	return s
}

// run returns the status of the command filelock, and what it prints.
func (w world) run(args ...string) (status int, text string) {
	w.t.Helper()
	line := w.do(append([]string{"run"}, args...)...)
	if _, err := fmt.Sscanf(line, "%d %q", &status, &text); err != nil {
		w.t.Fatalf("%q: %v", line, err)
	}
	return status, text
}

// tries has a process try once to get the lock, and reports whether that gets it.
// If so it gives it back.
func (w world) tries(k kind, path string) (got bool) {
	w.t.Helper()
	const name = "somebody"
	w.starts(name, "hold "+k.Name, path)
	answer := w.do("tell", name, "try")
	if got = answer == "done"; got {
		w.wants(name, "release", "done")
	} else if !strings.Contains(answer, "locked") {
		w.t.Errorf("%s: %s", k.Name, answer)
	}
	w.kill(name)
	return got
}

// refused fails the test unless w sees that the lock is held, by somebody whose
// death is not certain, and does not get it.
func (w world) refused(k kind, path string) sight {
	w.t.Helper()
	s := w.look(k, path)
	if !s.held || s.stale {
		w.t.Errorf("%s: it is seen as %+v", k.Name, s)
	}
	if w.tries(k, path) {
		w.t.Errorf("%s: somebody else got it", k.Name)
	}
	return s
}
