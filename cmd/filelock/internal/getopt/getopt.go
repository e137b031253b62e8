// Package getopt reads command lines as GNU's getopt_long does, and says what
// is wrong with them in its words: short options that combine (-xn, -w5, -w 5),
// long ones with an argument (--wait=5, --wait 5) and their abbreviations, and
// "--", after which everything is an operand.
//
// A command is described once, in a [Command]. Parsing and help come of that,
// and whatever else may want to know of its options.
package getopt

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A Command is a command line: what may be said, and what it means.
type Command struct {
	Name     string   // as it is called, and as messages name it
	Synopsis []string // each way to call it, without its name
	About    string   // what it does: for the help, in lines
	Options  []Option // in the order of the help

	// InOrder ends the options at the first operand, for commands whose
	// operands are another command line. Otherwise they may stand anywhere.
	InOrder bool
}

// An Option is one option of a command, with all of its names.
type Option struct {
	Short string   // its letters, a byte each; the help shows the first
	Long  []string // its names; the help shows the first
	Arg   string   // what the help calls its argument; empty if it has none
	Help  string   // what it is for, in lines; empty if the help leaves it out

	// Set is called each time the option is met, with its argument if it has
	// one. Its error ends the parsing.
	Set func(arg string) error
}

// ErrHelp is what the Set of an option for help returns.
var ErrHelp = errors.New("help is wanted")

// An Error is a command line that says what is not among its options. It
// matches [fs.ErrInvalid].
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// Is reports whether target is [fs.ErrInvalid].
func (e *Error) Is(target error) bool { return target == fs.ErrInvalid }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Parse calls the Set of each option in args, which do not begin with the name
// of the program, and returns the operands. It stops at the first error: an
// [*Error], or what Set has returned. What has been set by then stays.
func (c *Command) Parse(args []string) (operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--":
			return append(operands, args[1:]...), nil
		case len(arg) < 2 || arg[0] != '-': // "-" is an operand
			if c.InOrder {
				return args, nil
			}
			operands = append(operands, arg)
			args = args[1:]
		case arg[1] == '-':
			args, err = c.long(args)
		default:
			args, err = c.short(args)
		}
		if err != nil {
			return nil, err
		}
	}
	return operands, nil
}

// short reads the letters of args[0] and returns the arguments that remain.
func (c *Command) short(args []string) (rest []string, err error) {
	letters, rest := args[0][1:], args[1:]
	for letters != "" {
		letter := letters[:1]
		letters = letters[1:]
		o := c.byLetter(letter)
		if o == nil {
			return nil, wrong("invalid option -- '%s'", letter)
		}
		arg := ""
		if o.Arg != "" {
			switch {
			case letters != "":
				arg, letters = letters, ""
			case len(rest) > 0:
				arg, rest = rest[0], rest[1:]
			default:
				return nil, wrong("option requires an argument -- '%s'", letter)
			}
		}
		if err := o.Set(arg); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (c *Command) byLetter(letter string) *Option {
	for i, o := range c.Options {
		if strings.Contains(o.Short, letter) {
			return &c.Options[i]
		}
	}
	return nil
}

// long reads the long option args[0] and returns the arguments that remain.
func (c *Command) long(args []string) (rest []string, err error) {
	given, rest := args[0][2:], args[1:]
	begin, arg, attached := strings.Cut(given, "=")
	o, name, err := c.byName(begin, given)
	switch {
	case err != nil:
		return nil, err
	case o.Arg == "" && attached:
		return nil, wrong("option '--%s' doesn't allow an argument", name)
	case o.Arg != "" && !attached && len(rest) == 0:
		return nil, wrong("option '--%s' requires an argument", name)
	case o.Arg != "" && !attached:
		arg, rest = rest[0], rest[1:]
	}
	return rest, o.Set(arg)
}

// byName returns the option that begins so, and its whole name. One that is
// called just so is meant, whatever others begin with it. Several that begin so
// are one if they are names of one option.
func (c *Command) byName(begin, given string) (o *Option, name string, err error) {
	var possible []string
	for i := range c.Options {
		for _, n := range c.Options[i].Long {
			switch {
			case n == begin:
				return &c.Options[i], n, nil
			case !strings.HasPrefix(n, begin):
			case o == nil:
				o, name = &c.Options[i], n
			case o != &c.Options[i]:
				possible = append(possible, n)
			}
		}
	}
	switch {
	case o == nil:
		return nil, "", wrong("unrecognized option '--%s'", given)
	case possible != nil:
		return nil, "", wrong("option '--%s' is ambiguous; possibilities: '--%s' '--%s'",
			given, name, strings.Join(possible, "' '--"))
	}
	return o, name, nil
}

// True returns a Set that makes a variable true.
func True(v *bool) func(string) error { return To(v, true) }

// To returns a Set that gives a variable a value.
func To[T any](v *T, value T) func(string) error {
	return func(string) error {
		*v = value
		return nil
	}
}

// Help returns a Set for an option that asks for help.
func Help(string) error { return ErrHelp }
