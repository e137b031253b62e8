// The runtime would keep two files open to see how many processors it may use.
// A command of flock's expects the locked file under the first free number.
//go:debug containermaxprocs=0

// Command filelock runs commands under file locks and tells who holds them.
// Called flock, it is flock(1).
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofilelock/filelock/cmd/filelock/internal/flock"
)

func main() {
	if filepath.Base(os.Args[0]) == "flock" {
		os.Exit(flock.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr))
}

// Exit statuses beside those of the command that is run; sysexits.h has them.
const (
	exitConflict  = 1
	exitUsage     = 64
	exitLost      = 69 // and not 75, which many have -E give
	exitSystem    = 71
	exitCannotRun = 126
	exitNotFound  = 127
	exitSignalled = 128 // and the signal's number
)

// A verb does what its name says and returns an exit status.
type verb func(args []string, stdout, stderr *os.File) int

func dispatch(args []string, stdout, stderr *os.File) int {
	verbs := map[string]verb{
		"run": run, "status": status, "wait": waitFor, "watch": watch, "list": list,
		"break": breakLock, "gc": gc, "probe": probeDirectory, "flock": flock.Main,
		"man": manual, "completion": completion,
		guardVerb: guardMain, gateVerb: behindGate,
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		fmt.Fprint(stdout, usage)
		return 0
	case "-V", "--version":
		fmt.Fprintln(stdout, "filelock", version())
		return 0
	}
	do, ok := verbs[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "filelock: there is no verb %q (try filelock --help)\n", args[0])
		return exitUsage
	}
	return do(args[1:], stdout, stderr)
}

// fail says what went wrong, and returns the exit status for it.
func fail(stderr *os.File, err error) int {
	fmt.Fprintf(stderr, "filelock: %s\n", oneLine(err))
	return statusFor(err)
}

func statusFor(err error) int {
	if errors.Is(err, fs.ErrInvalid) {
		return exitUsage
	}
	return exitSystem
}

// oneLine returns the text of err, fit for a terminal: there can be names in it
// that others have chosen.
func oneLine(err error) string {
	return printable(strings.ReplaceAll(err.Error(), "\n", "; "))
}
