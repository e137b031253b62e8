package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// runSettings are what the options of the verb run say.
type runSettings struct {
	noWait     bool
	wait       time.Duration
	shared     bool
	conflict   int
	onConflict string
	onLoss     string
	kind       kind
	quiet      bool
	json       bool
}

// command returns the command line, with options that set s. Where flock(1) has
// them they are called as it calls them.
func (s *runSettings) command() *getopt.Command {
	*s = runSettings{wait: noLimit, conflict: exitConflict, onConflict: "wait", onLoss: "end"}
	return &getopt.Command{
		Name:     "filelock run",
		Synopsis: []string{"[OPTION...] FILE COMMAND [ARG...]"},
		About: `
Takes the lock of FILE, runs COMMAND, gives the lock back. It waits while
somebody else has the lock, and after a second says for whom. Its exit status is
the command's, or 128 and the number of the signal that ended it; 69 if the lock
was lost meanwhile.

On Unix COMMAND inherits the lock, so that it outlives filelock. Of a kind that is
held by a file that exists it does not: if filelock is killed (kill -9), COMMAND
goes on without the lock. But if it has a lease, a second process sees to it that
COMMAND is asked to end then, and is dead before anybody else gets the lock. What
COMMAND has started is not ended with it.

A lock that is held by a file can be lost: the file is removed, the lease cannot be
renewed. COMMAND gets SIGTERM then, and SIGKILL a second later; or when the lease
ends, which others break ten seconds after that.`,
		InOrder: true,
		Options: append([]getopt.Option{
			{Short: "s", Long: []string{"shared"}, Set: getopt.True(&s.shared), Help: "take a shared lock"},
			{Short: "xe", Long: []string{"exclusive"}, Set: getopt.To(&s.shared, false), Help: "take an exclusive lock, as by default"},
			{Short: "n", Long: []string{"nonblock", "nonblocking", "nb"}, Set: getopt.True(&s.noWait), Help: "do not wait: fail at once if somebody else has the lock"},
			{Short: "w", Long: []string{"timeout", "wait"}, Arg: "SECONDS", Set: setSeconds(&s.wait), Help: "wait no longer than that; fractions are allowed"},
			{Short: "E", Long: []string{"conflict-exit-code"}, Arg: "NUMBER", Set: s.setConflict, Help: "the exit status if the lock was not to be had (1)"},
			{Long: []string{"on-conflict"}, Arg: "WHAT", Set: oneOf(&s.onConflict, "wait", "exit", "skip"), Help: "if somebody else has the lock: wait; exit, with the status of\n-E; or skip COMMAND, with status 0. With --timeout, the last\ntwo when that is over"},
			{Long: []string{"on-loss"}, Arg: "WHAT", Set: oneOf(&s.onLoss, "end", "ignore"), Help: "if the lock is lost: end COMMAND, or ignore it"},
			{Long: []string{"content"}, Arg: "TEMPLATE", Set: s.kind.setContent, Help: "write that to FILE: text with {pid}, {hostname}, {command}\nand {since} in it. It stays there"},
			{Short: "q", Long: []string{"quiet"}, Set: getopt.True(&s.quiet), Help: "do not say for whom it waits, nor who is in the way"},
			{Long: []string{"json"}, Set: getopt.True(&s.json), Help: "say that in JSON, on standard error, an object a line"},
			help,
		}, s.kind.options()...),
	}
}

func (s *runSettings) setConflict(text string) (err error) {
	if s.conflict, err = strconv.Atoi(text); err != nil || s.conflict < 0 || s.conflict > 255 {
		return fmt.Errorf("'%s' is no exit status (0 to 255)", text)
	}
	return nil
}

// oneOf returns a Set that takes one of the words.
func oneOf(v *string, words ...string) func(string) error {
	return func(text string) error {
		if !slices.Contains(words, text) {
			return fmt.Errorf("'%s' is none of %s", text, strings.Join(words, ", "))
		}
		*v = text
		return nil
	}
}

// noLimit is a timeout that never comes.
const noLimit time.Duration = -1

// setSeconds returns a Set that reads a timeout. What is too long for a
// [time.Duration] is no limit.
func setSeconds(d *time.Duration) func(string) error {
	return func(text string) error {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || !(n >= 0) { // nor is NaN
			return fmt.Errorf("'%s' is not a number of seconds to wait", text)
		}
		*d = noLimit
		if n *= float64(time.Second); n < math.MaxInt64 {
			*d = time.Duration(n)
		}
		return nil
	}
}

// acquisition returns what the settings say of how to get the lock.
func (s *runSettings) acquisition(n notices) []filelock.AcquireOption {
	opts := []filelock.AcquireOption{filelock.WithTimeout(s.wait)}
	if !s.quiet {
		opts = append(opts, filelock.OnWait(n.waiting))
	}
	if s.noWait || s.onConflict != "wait" && s.wait == noLimit {
		opts = append(opts, filelock.NonBlocking())
	}
	if s.shared {
		opts = append(opts, filelock.Shared())
	}
	return opts
}

// run is the verb of that name.
func run(args []string, stdout, stderr *os.File) int {
	var set runSettings
	operands, status, ok := parse(set.command(), args, 2, stdout, stderr)
	if !ok {
		return status
	}
	path, command := operands[0], operands[1:]
	say := notices{to: stderr, json: set.json, path: path, kind: set.kind}

	if err := set.kind.check(); err != nil {
		return say.failed(err)
	}
	signals := catch()
	ctx, stop := until(signals)
	hold, err := set.kind.open(path).Acquire(ctx, set.acquisition(say)...)
	if ended := stop(); ended != nil {
		if err == nil { // it came with the lock
			err = hold.Release()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			say.failed(err)
		}
		return exitSignalled + numberOf(ended)
	}
	if err != nil {
		return set.refused(say, err)
	}
	w := work{set: &set, hold: hold, say: say, signals: signals, stdout: stdout, stderr: stderr}
	status = w.run(command)
	if err := hold.Release(); err != nil { // signals no longer matter: it takes little time
		status = w.unreleased(status, err)
	}
	return status
}

// refused says why the lock was not to be had, and returns the exit status.
func (s *runSettings) refused(say notices, err error) int {
	switch {
	case !errors.Is(err, filelock.ErrLocked):
		return say.failed(err)
	case !s.quiet:
		say.conflict(err)
	}
	if s.onConflict == "skip" {
		return 0
	}
	return s.conflict
}

// until returns a context that ends when one of signals asks the program to,
// and a function that ends the watch and returns that signal. The context goes on
// then: that of a hold is made of it.
func until(signals <-chan os.Signal) (ctx context.Context, stop func() os.Signal) {
	ctx, cancel := context.WithCancel(context.Background())
	var ended os.Signal
	quit := each(signals, func(s os.Signal) {
		if ended == nil && slices.Contains(ending, s) {
			ended = s
			cancel()
		}
	})
	return ctx, func() os.Signal {
		quit()
		return ended
	}
}

// work is a command that runs under a lock.
type work struct {
	set            *runSettings
	hold           *filelock.Hold
	say            notices
	signals        <-chan os.Signal
	stdout, stderr *os.File
	told           bool // that the lock was lost
}

// run runs the command to its end and returns its exit status. It passes
// signals on to it, but if one asks the program to end before the command has
// started, it does not start. The command inherits the file that is locked, so
// that it keeps the lock if this process is killed.
func (w *work) run(command []string) int {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w.stdout, w.stderr
	if file := w.hold.File(); file != nil {
		inherit(file)
	}
	g, err := w.guard()
	if err != nil {
		return w.say.failed(err)
	}
	defer g.end()
	if s := pending(w.signals); s != nil {
		return exitSignalled + numberOf(s)
	}
	if err := g.start(cmd); err != nil {
		w.say.failed(err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return exitNotFound
		}
		return exitCannotRun
	}
	stop := each(w.signals, func(s os.Signal) {
		if !fromTerminal(s) {
			cmd.Process.Signal(s)
		}
	})
	endLoss := w.heedLoss(cmd.Process)
	err = cmd.Wait()
	w.told = endLoss()
	stop()
	if cmd.ProcessState == nil {
		return w.say.failed(err)
	}
	return statusOf(cmd.ProcessState)
}
