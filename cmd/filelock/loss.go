package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/gofilelock/filelock"
)

// mercy is how long a command has to end by itself after the marker of its lock
// was removed. Others can have the lock by then, so it is short.
const mercy = time.Second

// heedLoss ends the command if the lock is lost, unless that is to be ignored,
// until stop is called, which reports whether anything was said of it. The end of a
// lease is for the guard to see to.
func (w *work) heedLoss(command *os.Process) (stop func() (told bool)) {
	told := false
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-over:
			return
		case <-w.hold.Lost():
		}
		told = true
		<-w.hold.Context().Done() // a moment later
		why := context.Cause(w.hold.Context())
		if w.set.onLoss == "ignore" {
			w.say.lost(why, " (the command goes on)")
			return
		}
		w.say.lost(why, " (the command is ended)")
		terminate(command)
		if w.set.kind.name == "lease" {
			return
		}
		select {
		case <-over:
		case <-time.After(mercy):
			command.Kill()
		}
	}()
	return func() bool {
		close(over)
		<-done
		return told
	}
}

// terminate asks a process to end, where that can be asked.
func terminate(p *os.Process) {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.Kill()
	}
}

// unreleased says what came of a release that failed, and returns the exit status
// of a command that has ended with status.
func (w *work) unreleased(status int, err error) int {
	if !errors.Is(err, filelock.ErrLost) {
		failed := w.say.failed(err)
		if status == 0 {
			return failed
		}
		return status
	}
	if !w.told { // the command may have ended in that very moment
		w.say.lost(err, "")
	}
	if status == 0 || w.set.onLoss == "end" {
		return exitLost
	}
	return status
}
