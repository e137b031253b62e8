//go:build unix && !aix

package flock

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"golang.org/x/sys/unix"
)

// settings are what the options say.
type settings struct {
	how     int // unix.LOCK_EX, LOCK_SH or LOCK_UN
	noWait  bool
	timeout *float64 // seconds; nil: for ever
	status  int      // where somebody else has the lock
	close   bool
	noFork  bool
	records bool
	verbose bool
}

var (
	errVersion = errors.New("the version is wanted")
	errUnsaid  = errors.New("the command line is wrong") // and flock(1) does not say why
)

// command returns the command line, with options that set s.
func (s *settings) command() *getopt.Command {
	*s = settings{how: unix.LOCK_EX, status: exitConflict}
	return &getopt.Command{
		Name: name,
		Synopsis: []string{
			"[OPTION...] FILE|DIRECTORY COMMAND [ARGUMENT...]",
			"[OPTION...] FILE|DIRECTORY -c COMMAND",
			"[OPTION...] DESCRIPTOR",
		},
		About: `
Takes the lock of a file and runs a command, which keeps the lock for as long as
it or a child of its has the file open. With -c the command is run by $SHELL.
With the number of an open file it takes that file's lock and leaves it.`,
		InOrder: true,
		// In flock(1)'s order, which shows where an abbreviation is ambiguous.
		Options: []getopt.Option{
			{Short: "s", Long: []string{"shared"}, Set: getopt.To(&s.how, unix.LOCK_SH), Help: "take a shared lock"},
			{Short: "xe", Long: []string{"exclusive"}, Set: getopt.To(&s.how, unix.LOCK_EX), Help: "take an exclusive lock, as by default"},
			{Short: "u", Long: []string{"unlock"}, Set: getopt.To(&s.how, unix.LOCK_UN), Help: "give the lock back; others may have the file open too"},
			{Short: "n", Long: []string{"nonblocking", "nb"}, Set: getopt.True(&s.noWait), Help: "do not wait: fail at once if somebody else has the lock"},
			{Short: "w", Long: []string{"timeout", "wait"}, Arg: "SECONDS", Set: s.setTimeout, Help: "wait no longer than that; fractions are allowed"},
			{Short: "E", Long: []string{"conflict-exit-code"}, Arg: "NUMBER", Set: s.setConflict, Help: "the exit status if the lock was not to be had (1)"},
			{Short: "o", Long: []string{"close"}, Set: getopt.True(&s.close), Help: "close the file for the command: the lock ends with flock"},
			{Short: "F", Long: []string{"no-fork"}, Set: getopt.True(&s.noFork), Help: "become the command, instead of waiting for it"},
			{Long: []string{"verbose"}, Set: getopt.True(&s.verbose), Help: "tell how long it took, what is run, and who has the lock"},
			{Long: []string{"fcntl"}, Set: getopt.True(&s.records), Help: "take an open file description lock of fcntl(2) (Linux)"},
			{Short: "h", Long: []string{"help"}, Set: getopt.Help, Help: "print this"},
			{Short: "V", Long: []string{"version"}, Set: func(string) error { return errVersion }, Help: "print the version"},
			{Short: "?", Set: func(string) error { return errUnsaid }},
		},
	}
}

func (s *settings) setTimeout(text string) error {
	n, err := float(strings.TrimLeft(text, space))
	if err != nil {
		return fail(exitUsage, "invalid timeout value: '%s'", text)
	}
	s.timeout = &n
	return nil
}

// float reads what strtod(3) does: hexadecimal numbers without an exponent,
// "nan" with a sign, numbers of any size, and no underscores.
func float(text string) (float64, error) {
	if len(text) > 3 && strings.ContainsAny(text[:1], "+-") && strings.EqualFold(text[1:], "nan") {
		text = text[1:]
	}
	if strings.ContainsAny(text, "xX") && !strings.ContainsAny(text, "pP") {
		text += "p0"
	}
	n, err := strconv.ParseFloat(text, 64)
	if strings.Contains(text, "_") {
		return 0, strconv.ErrSyntax
	}
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return n, err
}

func (s *settings) setConflict(text string) (err error) {
	if s.status, err = number("invalid exit code", text); err != nil {
		return err
	}
	if s.status < 0 || s.status > 255 {
		return fail(exitUsage, "exit code out of range (expected 0 to 255)")
	}
	return nil
}

const space = " \t\n\v\f\r" // isspace(3)

// number reads 32 bits. Only 64 bits too many are worse than what is no number.
func number(what, text string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(text, space), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n != int64(int32(n)):
		return 0, fail(exitUsage, "%s: '%s': %s", what, text, describe(unix.ERANGE))
	case err != nil:
		return 0, fail(exitUsage, "%s: '%s'", what, text)
	}
	return int(n), nil
}

// deadline returns when to give up; the zero time is never. Where there is no
// time to wait, noWait is set.
func (s *settings) deadline() (time.Time, error) {
	if s.timeout == nil {
		return time.Time{}, nil
	}
	limit, err := microseconds(*s.timeout)
	if limit == 0 {
		s.noWait = true
	}
	if err != nil || s.noWait || limit > math.MaxInt64/int64(time.Microsecond) {
		return time.Time{}, err
	}
	return time.Now().Add(time.Duration(limit) * time.Microsecond), nil
}

// microseconds makes a timer's setting of seconds.
func microseconds(seconds float64) (int64, error) {
	whole, fraction := math.Modf(seconds)
	micro := math.Trunc(fraction * 1e6)
	if !(whole >= 0 && whole < 1<<63 && micro >= 0) { // nor NaN
		return -1, fail(exitSystem, "cannot set up timer: %s", describe(unix.EINVAL))
	}
	return int64(min(whole*1e6+micro, 1<<62)), nil
}

// describe says an error in the words of strerror(3).
func describe(err error) string {
	text := err.Error()
	var errno unix.Errno
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// A failure ends the program.
type failure struct {
	status  int
	message string // empty: none
}

func (f *failure) Error() string { return f.message }

func fail(status int, format string, args ...any) error {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// Command returns the command line, for those who describe it.
func Command() *getopt.Command { return new(settings).command() }
