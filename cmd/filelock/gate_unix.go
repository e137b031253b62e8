//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// A gate keeps a command from beginning until it is opened. The process is there
// by then, with the number that the command will have, and ends without having
// begun if whoever could open the gate is dead.
type gate struct{ in, out *os.File }

// gateVerb is for a command behind a gate, and not in the help.
const gateVerb = "behind-gate"

// close puts the command behind the gate. The program self opens it from within.
func (g *gate) close(command *exec.Cmd, self string) (err error) {
	if g.out, g.in, err = os.Pipe(); err != nil {
		return err
	}
	inherit(g.out)
	command.Args = append([]string{self, gateVerb, strconv.Itoa(int(g.out.Fd())), command.Path}, command.Args...)
	command.Path = self
	return nil
}

func (g *gate) open() error {
	_, err := g.in.Write([]byte{1})
	return err
}

// remove closes what this process has of the gate.
func (g *gate) remove() error { return errors.Join(g.in.Close(), g.out.Close()) }

// behindGate is what the process does that is to be the command. Its arguments are
// the number of the file that opens the gate, the path of the command, and its
// arguments, with its name.
func behindGate(args []string, stdout, stderr *os.File) int {
	if len(args) < 3 {
		return exitUsage
	}
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return exitUsage
	}
	out := os.NewFile(uintptr(fd), "gate")
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return exitSystem // nobody is there to read that
	}
	out.Close()
	fail(stderr, &os.PathError{Op: "exec", Path: args[1], Err: syscall.Exec(args[1], args[2:], os.Environ())})
	return exitCannotRun
}
