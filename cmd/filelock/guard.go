package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/uptime"
	"github.com/gofilelock/filelock/lease"
)

// A guard is a process that kills the command when its lease ends. The one that
// renews the lease cannot see to that: it may have been killed or stopped, and
// others can have the lock ten seconds later. A nil *guard guards nothing.
//
// They talk in lines: the guard is told the command's number, and answers when it
// has got hold of that process. Until then the command stands behind a [gate], and
// nobody waits for it, so that the number is no other's. At last the guard is told
// that the command has ended. If nothing comes any more, whoever renewed the lease
// is dead.
type guard struct {
	self string
	cmd  *exec.Cmd
	to   io.WriteCloser
	ok   *bufio.Reader
	gate gate
}

const (
	guardReady = "ready\n"
	guardDone  = "done\n"
)

// guard starts the guard of the command, if it needs one.
func (w *work) guard() (*guard, error) {
	if w.set.kind.name != "lease" || w.set.onLoss == "ignore" {
		return nil, nil
	}
	claim, err := w.claim()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, guardVerb, w.say.path, w.set.kind.lease.String(), claim)
	cmd.Stderr, cmd.SysProcAttr = w.stderr, apart
	g := &guard{self: self, cmd: cmd}
	ok, errOut := cmd.StdoutPipe()
	if g.to, err = cmd.StdinPipe(); err == nil {
		err = errOut
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("the process that guards the lease: %w", err)
	}
	g.ok = bufio.NewReader(ok)
	return g, nil
}

// claim returns the name of the lease's claim, which is no other hold's.
func (w *work) claim() (string, error) {
	d, err := lease.New(w.say.path, lease.Config{}).Details(context.Background())
	select {
	case <-w.hold.Lost(): // before anybody else had it
		return "", filelock.ErrLost
	default:
		return d.Claim, err
	}
}

// start starts the command, and has the guard look after it.
func (g *guard) start(command *exec.Cmd) error {
	if g == nil || command.Err != nil {
		return command.Start()
	}
	if err := g.gate.close(command, g.self); err != nil {
		return err
	}
	defer g.gate.remove()
	if err := command.Start(); err != nil {
		return err
	}
	err := g.watch(command.Process)
	if err == nil {
		err = g.gate.open()
	}
	if err != nil {
		command.Process.Kill()
		command.Wait()
		return fmt.Errorf("the process that guards the lease: %w", err)
	}
	return nil
}

// watch tells the guard of the process.
func (g *guard) watch(command *os.Process) error {
	if _, err := fmt.Fprintln(g.to, command.Pid); err != nil {
		return err
	}
	line, err := g.ok.ReadString('\n')
	if line != guardReady {
		return errors.Join(errors.New("it has ended"), err)
	}
	return nil
}

// end ends the guard.
func (g *guard) end() {
	if g == nil {
		return
	}
	io.WriteString(g.to, guardDone)
	g.to.Close()
	g.cmd.Wait()
}

// guardVerb is for the guard alone, and not in the help.
const guardVerb = "guard-lease"

// guardPause is how often the guard looks at the lease.
const guardPause = 100 * time.Millisecond

// guardMain is what a guard does. Its arguments are the path of the lock, the
// lifetime of the lease, and the name of its claim.
func guardMain(args []string, stdout, stderr *os.File) int {
	if len(args) != 3 {
		return exitUsage
	}
	l := leaseSeen{lock: lease.New(args[0], lease.Config{}), claim: args[2]}
	var err error
	if l.lifetime, err = time.ParseDuration(args[1]); err != nil {
		return fail(stderr, err)
	}
	catch() // a signal for all of a group is not for the guard
	from := bufio.NewReader(os.Stdin)
	line, _ := from.ReadString('\n')
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0 // the command has not been started
	}
	command, err := os.FindProcess(pid)
	if err != nil {
		return fail(stderr, err)
	}
	if _, err := io.WriteString(stdout, guardReady); err != nil {
		return exitSystem
	}
	orphaned := make(chan struct{})
	go func() {
		if line, _ := from.ReadString('\n'); line == guardDone {
			os.Exit(0)
		}
		close(orphaned)
	}()
	l.look()
	for !l.over() {
		select {
		case <-orphaned:
			orphaned = nil
			fmt.Fprintf(stderr, "filelock: %s: whoever renews the lease is dead (the command is ended)\n", printable(args[0]))
			terminate(command)
		case <-time.After(guardPause):
		}
		if hasEnded(command) {
			return 0
		}
		l.look()
	}
	if err := command.Kill(); err == nil {
		fmt.Fprintf(stderr, "filelock: %s: the lease is over (the command is killed)\n", printable(args[0]))
	}
	return 0
}

// leaseSeen is what a guard knows of the lease.
type leaseSeen struct {
	lock     *lease.Lock
	lifetime time.Duration
	claim    string
	ends     time.Time
	since    time.Duration // when that was first seen, by a clock that is never set
	gone     bool
}

// look looks at the lease. If it cannot be read it may still be there.
func (l *leaseSeen) look() {
	ctx := context.Background()
	ends, errEnds := l.lock.Expiration(ctx)
	holder, err := l.lock.Details(ctx) // next, so that the end is not that of a later hold
	err = errors.Join(errEnds, err)
	switch {
	case errors.Is(err, filelock.ErrNotHeld), err == nil && holder.Claim != l.claim:
		l.gone = true
	case err == nil && !ends.Equal(l.ends):
		l.ends, l.since = ends, uptime.Steady()
	}
}

// over reports whether the lease has ended, by either clock, or is not there.
func (l *leaseSeen) over() bool {
	return l.gone || !time.Now().Before(l.ends) || uptime.Steady()-l.since >= l.lifetime+time.Second // it is written in whole seconds
}
