//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// ending are the signals that end a wait. SIGPIPE is among them so that a
	// message that nobody reads does not end the process while it has the lock.
	ending = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE}
	// passedOn are those that the command gets.
	passedOn = append([]os.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGCONT}, ending...)
)

// hasEnded reports whether the process p is known to have ended.
func hasEnded(p *os.Process) bool { return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) }

// apart has a process be no part of the terminal's session, which would stop it
// together with the others.
var apart = &syscall.SysProcAttr{Setsid: true}

// inherit has the command get f under the number that it has here, which is
// free: exec.Cmd.ExtraFiles could replace a file that the command expects.
func inherit(f *os.File) { unix.FcntlInt(f.Fd(), unix.F_SETFD, 0) }

// fromTerminal reports whether s was probably typed at the terminal, which
// sends it to the command as well.
func fromTerminal(s os.Signal) bool {
	if s != unix.SIGINT && s != unix.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return false
	}
	own, err := unix.Getpgid(0)
	return err == nil && foreground == own
}

// numberOf returns the number of s.
func numberOf(s os.Signal) int { return int(s.(syscall.Signal)) }

// statusOf makes an exit status of how a command has ended.
func statusOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitSignalled + int(w.Signal())
	}
	return s.ExitCode()
}
