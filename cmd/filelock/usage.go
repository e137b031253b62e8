package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

const usage = `Usage: filelock run [OPTION...] FILE COMMAND [ARG...]
       filelock status [OPTION...] FILE...
       filelock wait [OPTION...] FILE...
       filelock watch [OPTION...] FILE...
       filelock list [OPTION...] [PATH...]
       filelock break [OPTION...] FILE
       filelock gc [OPTION...] DIR...
       filelock probe [OPTION...] DIR
       filelock flock ...
       filelock man | completion SHELL | --version

run      runs a command under the lock of a file
status   tells who holds locks
wait     waits until locks are free
watch    tells of each change
list     tells of all locks on this machine
break    ends a hold that was left behind
gc       removes what locks have left behind
probe    finds out which locks a file system has
flock    is flock(1), and so is filelock if it is called flock
man, completion
         print the manual page, and what has bash, zsh or fish complete all this

filelock VERB --help has the options.
`

// help is an option that all verbs have.
var help = getopt.Option{Short: "h", Long: []string{"help"}, Set: getopt.Help, Help: "print this"}

// jsonOption is one of those that tell something.
func jsonOption(v *bool) getopt.Option {
	return getopt.Option{Long: []string{"json"}, Set: getopt.True(v), Help: "say it in JSON, an object a line"}
}

// parse reads the arguments, and reports false with an exit status where the
// verb has nothing to do.
func parse(c *getopt.Command, args []string, atLeast int, stdout, stderr *os.File) (operands []string, status int, ok bool) {
	operands, err := c.Parse(args)
	if err == nil && len(operands) < atLeast {
		err = errors.New("operands are missing")
	}
	switch {
	case errors.Is(err, getopt.ErrHelp):
		fmt.Fprint(stdout, c.Usage())
		return nil, 0, false
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v (try %s --help)\n", c.Name, err, c.Name)
		return nil, exitUsage, false
	}
	return operands, 0, true
}
