package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/gofilelock/filelock"
)

// run is the verb of that name.
func run(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("run")
	noWait := flags.Bool("n", false, "")
	wait := noLimit
	flags.Func("w", "", func(text string) (err error) {
		wait, err = seconds(text)
		return err
	})
	shared := flags.Bool("s", false, "")
	soft := flags.Bool("soft", false, "")
	conflict := flags.Int("E", exitConflict, "")
	if status, ok := parse(flags, args, 2, stdout, stderr); !ok {
		return status
	}
	if *conflict < 0 || *conflict > 255 {
		fmt.Fprintf(stderr, "filelock: run: -E %d is no exit status (0 to 255)\n", *conflict)
		return exitUsage
	}
	path, command := flags.Arg(0), flags.Args()[1:]

	opts := []filelock.AcquireOption{filelock.WithTimeout(wait), filelock.OnWait(func(w filelock.WaitInfo) {
		fmt.Fprintf(stderr, "filelock: %s: waiting for %s\n", w.Path, w.Holder)
	})}
	if *noWait {
		opts = append(opts, filelock.NonBlocking())
	}
	if *shared {
		opts = append(opts, filelock.Shared())
	}

	signals := catch()
	ctx, stop := until(signals)
	hold, err := open(path, *soft).Acquire(ctx, opts...)
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
			return *conflict
		}
		return status
	}
	status := runCommand(command, hold.File(), signals, stdout, stderr)
	if err := hold.Release(); err != nil { // signals no longer matter: it takes little time
		failed := fail(stderr, err)
		if status == 0 {
			return failed
		}
	}
	return status
}

// noLimit is a timeout that never comes.
const noLimit time.Duration = -1

// seconds reads a timeout. What is too long for a [time.Duration] is no limit.
func seconds(text string) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || !(n >= 0) { // nor is NaN
		return 0, errors.New("not a number of seconds to wait")
	}
	if n *= float64(time.Second); n >= math.MaxInt64 {
		return noLimit, nil
	}
	return time.Duration(n), nil
}

// open returns the lock of the kind that is asked for.
func open(path string, soft bool) locker {
	if soft {
		return filelock.NewSoft(path)
	}
	return filelock.New(path)
}

type locker interface {
	filelock.Locker
	Inspect(context.Context) (filelock.State, error)
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
func runCommand(command []string, file *os.File, signals <-chan os.Signal, stdout, stderr io.Writer) int {
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
