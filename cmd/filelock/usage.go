package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

const usage = `Usage:
    filelock run [-n] [-w SECONDS] [-s] [--soft] [-E N] FILE COMMAND [ARG...]
    filelock status [--soft] FILE...

run      takes the lock of FILE, runs COMMAND, gives the lock back. It waits
         while somebody else has the lock, and after a second says for whom.
         Its exit status is the command's, or 128 and the number of the signal
         that ended it.

    -n          do not wait: fail at once if somebody else has the lock
    -w SECONDS  wait no longer than that; fractions are allowed
    -s          take a shared lock
    -E N        the exit status if the lock was not to be had (1)
    --soft      hold the lock by the existence of FILE, for file systems
                without locks of their own. If filelock is killed (kill -9)
                COMMAND goes on without the lock, as the marker then names a
                dead process; without --soft COMMAND inherits the lock (Unix)

status   tells who holds the locks, and disturbs nobody. Its exit status is 0
         if all are free and 1 if one is held.
`

// newFlags returns an empty set of flags for a verb.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // parse says it
	return flags
}

// parse reads the flags, and reports false with an exit status where the verb
// has nothing to do.
func parse(flags *flag.FlagSet, args []string, operands int, stdout, stderr io.Writer) (status int, ok bool) {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0, false
	case err != nil:
		fmt.Fprintf(stderr, "filelock: %s: %v (try filelock --help)\n", flags.Name(), err)
		return exitUsage, false
	case flags.NArg() < operands:
		fmt.Fprintf(stderr, "filelock: %s: operands are missing (try filelock --help)\n", flags.Name())
		return exitUsage, false
	}
	return 0, true
}
