package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/gofilelock/filelock/internal/testproc"
)

// A proc is a process that does what it is told in lines. It ends with the run
// at the latest.
type proc struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// self is this program in a role.
func self(ctx context.Context, role string, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	return cmd, nil
}

func (b *bench) start(name string, cmd *exec.Cmd) (*proc, error) {
	p := &proc{name: name, cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.procs = append(b.procs, p)
	return p, nil
}

// startSelf starts this program in a role.
func (b *bench) startSelf(name, role string, args ...string) (*proc, error) {
	cmd, err := self(b.ctx, role, args...)
	if err != nil {
		return nil, err
	}
	return b.start(name, cmd)
}

func (p *proc) say(words ...any) error {
	if _, err := fmt.Fprintln(p.stdin, words...); err != nil {
		return p.ended(err)
	}
	return nil
}

// ended says that the process ended before it did what it was told, and how.
func (p *proc) ended(err error) error {
	return fmt.Errorf("%s ended too early: %w", p.name, errors.Join(err, p.finish()))
}

// line returns the next line that the process prints.
func (p *proc) line() (string, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", p.ended(err)
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func (p *proc) expect(want string) error {
	got, err := p.line()
	if err == nil && got != want {
		err = fmt.Errorf("%s said %q, not %q", p.name, got, want)
	}
	return err
}

// number tells the process something and returns the number that it answers.
func (p *proc) number(words ...any) (int64, error) {
	if err := p.say(words...); err != nil {
		return 0, err
	}
	return p.nextNumber()
}

func (p *proc) nextNumber() (int64, error) {
	line, err := p.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(line, 10, 64)
}

// ask tells the process something and reads its answer into v.
func (p *proc) ask(v any, words ...any) error {
	if err := p.say(words...); err != nil {
		return err
	}
	return p.read(v)
}

// read reads the next line that the process prints into v.
func (p *proc) read(v any) error {
	line, err := p.line()
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(line), v)
}

// answer is the other side of read.
func answer(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// finish lets the process end.
func (p *proc) finish() error {
	p.stdin.Close()
	return p.cmd.Wait()
}

// kill ends the process at once. It may have ended already.
func (p *proc) kill() {
	p.cmd.Process.Kill()
	p.stdin.Close()
	p.cmd.Wait()
}
