package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A side is one of the two that try a directory. They say what the other should
// do, and hear what has come of it.
type side interface {
	ask(line string) string
	kill() error // its process, as kill -9 does; another one takes over
	close() error
}

// patience bounds the wait for an answer. A file server may take some seconds.
const patience = 20 * time.Second

// own is the side of this process.
type own struct{ *agent }

func (o own) ask(line string) string { return o.do(line) }
func (o own) kill() error            { return errors.ErrUnsupported }
func (o own) close() error           { o.end(); return nil }

// A line is a connection on which one asks and the other answers.
type line struct {
	deadline func(time.Time) error
	in       *bufio.Reader
	out      io.Writer
}

// ask returns "error" and why if there is no answer.
func (l line) ask(text string) string {
	reply, err := l.exchange(text)
	if err != nil {
		return answer(err)
	}
	return reply
}

func (l line) exchange(text string) (string, error) {
	if err := l.deadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(l.out, text); err != nil {
		return "", err
	}
	return readLine(l.in)
}

// readLine reads a line of bounded length.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadSlice('\n')
	if err != nil {
		return "", fmt.Errorf("no answer: %w", err)
	}
	return string(text[:len(text)-1]), nil
}

// A child is the side of another process of this program.
type child struct {
	line
	ctx     context.Context
	dir     string
	cmd     *exec.Cmd // nil while there is no process
	in, out *os.File
}

// Agent is the option by which the program is the other process.
const Agent = "agent"

func startChild(ctx context.Context, dir string) (*child, error) {
	c := &child{ctx: ctx, dir: dir}
	if err := c.start(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *child) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(c.ctx, self, "probe", "--"+Agent, c.dir)
	var theirIn, theirOut *os.File
	theirIn, c.out, err = os.Pipe()
	if err != nil {
		return err
	}
	c.in, theirOut, err = os.Pipe()
	if err == nil {
		cmd.Stdin, cmd.Stdout = theirIn, theirOut
		err = cmd.Start()
		theirOut.Close()
	}
	theirIn.Close()
	if err != nil {
		return errors.Join(err, c.closePipes())
	}
	c.cmd = cmd
	deadline := c.in.SetReadDeadline
	if deadline(time.Time{}) != nil { // a system whose pipes have none
		deadline = func(time.Time) error { return nil }
	}
	c.line = line{deadline: deadline, in: bufio.NewReaderSize(c.in, longestLine), out: c.out}
	deadline(time.Now().Add(patience))
	if _, err := readLine(c.line.in); err != nil { // before anything is said to who may not be there
		return errors.Join(fmt.Errorf("a second process of this program: %w", err), c.end())
	}
	return nil
}

func (c *child) closePipes() error {
	if c.in != nil {
		c.in.Close()
	}
	return c.out.Close()
}

func (c *child) kill() error {
	err := c.end()
	if err == nil {
		err = c.start()
	}
	return err
}

// end kills the process, if there is one, and waits for its end.
func (c *child) end() error {
	if c.cmd == nil {
		return nil
	}
	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.cmd = nil
	return c.closePipes()
}

func (c *child) close() error { return c.end() }

// ServeAgent is the other process: it works in the directory at dir.
func ServeAgent(dir string) error {
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	return newAgent(dir).serve(os.Stdin, os.Stdout)
}
