package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/gofilelock/filelock/cmd/filelock/internal/flock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// program describes all verbs, for the manual page and for shells.
func program() *getopt.Program {
	asFlock := *flock.Command()
	asFlock.Name = "filelock flock"
	return &getopt.Program{
		Name:    "filelock",
		Summary: "run commands under file locks, and tell who holds them",
		About: `
Locks of files keep programs from running into each other. They exclude those who
use them, and nobody else.

Errors name the file, what happened, and if there is anything to do, what. Called
flock, filelock is flock(1).`,
		Commands: []*getopt.Command{
			new(runSettings).command(), new(statusSettings).command(), new(waitSettings).command(),
			new(watchSettings).command(), listCommand(new(bool)), new(breakSettings).command(),
			new(gcSettings).command(), new(probeSettings).command(), &asFlock,
		},
	}
}

// manual prints the manual page, which docs/man has too.
func manual(args []string, stdout, stderr *os.File) int {
	if len(args) > 0 {
		fmt.Fprintln(stderr, "filelock man: it takes no operands")
		return exitUsage
	}
	fmt.Fprint(stdout, program().Man(1))
	return 0
}

// completion prints what has a shell complete the command line.
func completion(args []string, stdout, stderr *os.File) int {
	if len(args) == 1 {
		if script, ok := program().Completion(args[0]); ok {
			fmt.Fprint(stdout, script)
			return 0
		}
	}
	fmt.Fprintln(stderr, "filelock completion: of which shell? (bash, zsh or fish)")
	return exitUsage
}

// version returns which version this is, as the go command has built it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
