package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/gofilelock/filelock"
)

// run is the verb of that name.
func run(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("run")
	noWait := flags.Bool("n", false, "")
	wait := flags.Float64("w", -1, "")
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

	opts := []filelock.AcquireOption{filelock.OnWait(func(w filelock.WaitInfo) {
		fmt.Fprintf(stderr, "filelock: %s: waiting for %s\n", w.Path, w.Holder)
	})}
	if *wait >= 0 {
		opts = append(opts, filelock.WithTimeout(time.Duration(*wait*float64(time.Second))))
	}
	if *noWait {
		opts = append(opts, filelock.NonBlocking())
	}
	if *shared {
		opts = append(opts, filelock.Shared())
	}

	ctx, stop := untilSignal()
	hold, err := open(path, *soft).Acquire(ctx, opts...)
	if ended := stop(); ended != nil {
		if err == nil { // it came with the lock
			err = hold.Release()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(stderr, "filelock: %v\n", err)
		}
		return exitSignalled + numberOf(ended)
	}
	if err != nil {
		fmt.Fprintf(stderr, "filelock: %v\n", err)
		if errors.Is(err, filelock.ErrLocked) {
			return *conflict
		}
		return exitSystem
	}
	status := runCommand(command, hold.File(), stdout, stderr)
	if err := hold.Release(); err != nil {
		fmt.Fprintf(stderr, "filelock: %v\n", err)
		if status == 0 {
			return exitSystem
		}
	}
	return status
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

// untilSignal returns a context that ends when a signal asks the program to,
// and a function that ends the watch and returns that signal.
func untilSignal() (ctx context.Context, stop func() os.Signal) {
	signals := make(chan os.Signal, 1)
	notify(signals, ending)
	ctx, cancel := context.WithCancel(context.Background())
	var caught os.Signal
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s, ok := <-signals; ok {
			caught = s
			cancel()
		}
	}()
	return ctx, func() os.Signal {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
		return caught
	}
}

// notify sends signals to c, but for those that this process was started to
// ignore, as nohup does.
func notify(c chan<- os.Signal, signals []os.Signal) {
	for _, s := range signals {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
}

// runCommand runs the command to its end and returns its exit status. Signals
// to this process are passed on to it. It inherits the file that is locked, so
// that it keeps the lock if this process is killed.
func runCommand(command []string, file *os.File, stdout, stderr io.Writer) int {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	if file != nil && canInherit {
		cmd.ExtraFiles = []*os.File{file}
	}
	signals := make(chan os.Signal, 8)
	notify(signals, passedOn)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(stderr, "filelock: %v\n", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return exitNotFound
		}
		return exitCannotRun
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if !fromTerminal(s) {
					cmd.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	if cmd.ProcessState == nil {
		fmt.Fprintf(stderr, "filelock: %v\n", err)
		return exitSystem
	}
	return statusOf(cmd.ProcessState)
}
