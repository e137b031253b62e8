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
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// runSettings are what the options of the verb run say.
type runSettings struct {
	noWait   bool
	wait     time.Duration
	shared   bool
	conflict int
	kind     kind
}

// command returns the command line, with options that set s. Where flock(1) has
// them they are called as it calls them.
func (s *runSettings) command() *getopt.Command {
	*s = runSettings{wait: noLimit, conflict: exitConflict}
	return &getopt.Command{
		Name:     "filelock run",
		Synopsis: []string{"[OPTION...] FILE COMMAND [ARG...]"},
		About: `
Takes the lock of FILE, runs COMMAND, gives the lock back. It waits while
somebody else has the lock, and after a second says for whom. Its exit status is
the command's, or 128 and the number of the signal that ended it.

On Unix COMMAND inherits the lock, so that it outlives filelock. Of a kind that is
held by a file that exists it does not: if filelock is killed (kill -9), COMMAND
goes on without the lock.`,
		InOrder: true,
		Options: append([]getopt.Option{
			{Short: "s", Long: []string{"shared"}, Set: getopt.True(&s.shared), Help: "take a shared lock"},
			{Short: "xe", Long: []string{"exclusive"}, Set: getopt.To(&s.shared, false), Help: "take an exclusive lock, as by default"},
			{Short: "n", Long: []string{"nonblock", "nonblocking", "nb"}, Set: getopt.True(&s.noWait), Help: "do not wait: fail at once if somebody else has the lock"},
			{Short: "w", Long: []string{"timeout", "wait"}, Arg: "SECONDS", Set: setSeconds(&s.wait), Help: "wait no longer than that; fractions are allowed"},
			{Short: "E", Long: []string{"conflict-exit-code"}, Arg: "NUMBER", Set: s.setConflict, Help: "the exit status if the lock was not to be had (1)"},
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

// run is the verb of that name.
func run(args []string, stdout, stderr *os.File) int {
	var set runSettings
	operands, status, ok := parse(set.command(), args, 2, stdout, stderr)
	if !ok {
		return status
	}
	path, command := operands[0], operands[1:]

	opts := []filelock.AcquireOption{filelock.WithTimeout(set.wait), filelock.OnWait(func(w filelock.WaitInfo) {
		fmt.Fprintf(stderr, "filelock: %s: waiting for %s\n", w.Path, w.Holder)
	})}
	if set.noWait {
		opts = append(opts, filelock.NonBlocking())
	}
	if set.shared {
		opts = append(opts, filelock.Shared())
	}

	signals := catch()
	ctx, stop := until(signals)
	hold, err := set.kind.open(path).Acquire(ctx, opts...)
	if ended := stop(); ended != nil {
		if err == nil { // it came with the lock
			err = hold.Release()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			fail(stderr, err)
		}
		return exitSignalled + numberOf(ended)
	}
	if err != nil {
		status := fail(stderr, err)
		if errors.Is(err, filelock.ErrLocked) {
			return set.conflict
		}
		return status
	}
	status = runCommand(command, hold.File(), signals, stdout, stderr)
	if err := hold.Release(); err != nil { // signals no longer matter: it takes little time
		failed := fail(stderr, err)
		if status == 0 {
			return failed
		}
	}
	return status
}

// until returns a context that ends when one of signals asks the program to,
// and a function that ends the watch and returns that signal.
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
		cancel()
		return ended
	}
}

// runCommand runs the command to its end and returns its exit status. It passes
// signals on to it, but if one asks the program to end before the command has
// started, it does not start. The command inherits the file that is locked, so
// that it keeps the lock if this process is killed.
func runCommand(command []string, file *os.File, signals <-chan os.Signal, stdout, stderr *os.File) int {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	if file != nil {
		inherit(file)
	}
	if s := pending(signals); s != nil {
		return exitSignalled + numberOf(s)
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(stderr, "filelock: %v\n", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return exitNotFound
		}
		return exitCannotRun
	}
	stop := each(signals, func(s os.Signal) {
		if !fromTerminal(s) {
			cmd.Process.Signal(s)
		}
	})
	err := cmd.Wait()
	stop()
	if cmd.ProcessState == nil {
		return fail(stderr, err)
	}
	return statusOf(cmd.ProcessState)
}
