//go:build !unix

package main

import (
	"os"
	"syscall"
)

var (
	// ending are the signals that end a wait.
	ending = []os.Signal{os.Interrupt, syscall.SIGTERM}
	// passedOn are those that this process must survive.
	passedOn = ending
)

// hasEnded is not known.
func hasEnded(*os.Process) bool { return false }

// apart is nothing in particular.
var apart *syscall.SysProcAttr

// inherit does nothing: a child cannot be given an open file.
func inherit(*os.File) {}

// fromTerminal says of all signals that the command gets them too.
func fromTerminal(os.Signal) bool { return true }

// numberOf returns the number that s has on Unix.
func numberOf(s os.Signal) int {
	if s == os.Interrupt {
		return 2
	}
	return 15
}

// statusOf makes an exit status of how a command has ended.
func statusOf(s *os.ProcessState) int { return s.ExitCode() }
