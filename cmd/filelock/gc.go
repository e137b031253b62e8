package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/cmd/filelock/internal/leftover"
)

// gcSettings are what the options of the verb gc say.
type gcSettings struct {
	remove, force, json bool
	olderThan           time.Duration
	walk                leftover.Walk
}

func (s *gcSettings) command() *getopt.Command {
	return &getopt.Command{
		Name:     "filelock gc",
		Synopsis: []string{"[OPTION...] DIR..."},
		About: `
Lists what locks have left behind in directories, and removes it if told to:
markers and claims of soft locks, lockfile's markers and the files beside them
whose process is dead, leases that have been over for long, and files that were
to replace others under a lock.

Somebody who takes a lock meanwhile has it: nothing is removed but what was
looked at, and that while others are kept from it. What may be somebody's is
left, and the list says why.

With --force it removes, too, empty files called *.lock that nobody has locked,
and claims of leases that were never taken. A program that has opened such a file
and not locked it yet, as flock(1) may have, would then lock a file that others
no longer see; and an empty file is how py-filelock 3.9 has a soft lock.

The exit status is 0 if nothing is left that could be removed, and 1 if
something is.`,
		Options: []getopt.Option{
			{Short: "n", Long: []string{"dry-run"}, Set: getopt.To(&s.remove, false), Help: "remove nothing, as by default"},
			{Short: "y", Long: []string{"remove", "yes"}, Set: getopt.True(&s.remove), Help: "remove what is certainly left over"},
			{Long: []string{"force"}, Set: getopt.True(&s.force), Help: "and what may be in use by ways that cannot be seen"},
			{Long: []string{"older-than"}, Arg: "TIME", Set: s.setOlderThan, Help: "leave out what is younger, as 30s, 5m or 24h"},
			{Short: "r", Long: []string{"recursive"}, Set: getopt.True(&s.walk.Recursive), Help: "look into directories below; links are not followed"},
			{Long: []string{"all-file-systems"}, Set: getopt.True(&s.walk.Across), Help: "and into those that others are mounted on"},
			{Long: []string{"json"}, Set: getopt.True(&s.json), Help: "print an object in JSON for each, on a line"},
			help,
		},
	}
}

func (s *gcSettings) setOlderThan(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("'%s' is not a time, as 30s or 5m", text)
	}
	s.olderThan = d
	return nil
}

// gc is the verb of that name.
func gc(args []string, stdout, stderr *os.File) int {
	var set gcSettings
	dirs, status, ok := parse(set.command(), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	ctx, stop := until(catch())
	c := collection{gcSettings: set, ctx: ctx, out: stdout, fail: func(err error) { status = max(status, fail(stderr, err)) }}
	c.walk.Found, c.walk.Failed = c.found, c.fail
	for _, dir := range dirs {
		c.walk.In(ctx, dir) // fails only with ctx
	}
	if s := stop(); s != nil {
		return exitSignalled + numberOf(s)
	}
	if c.remains {
		status = max(status, exitConflict)
	}
	return status
}

// A collection is one run of gc.
type collection struct {
	gcSettings
	ctx     context.Context
	out     io.Writer
	fail    func(error)
	remains bool // what could be removed
}

// found removes l if that is wanted, and prints what has come of it.
func (c *collection) found(l *leftover.Leftover) {
	age := time.Since(l.Since)
	if age < c.olderThan {
		return
	}
	f := finding{Path: l.Path, Kind: l.Kind, Proof: l.Proof, Why: l.Why, Since: l.Since.UTC(), Age: age.Seconds()}
	permitted := l.Proof == leftover.Certain || l.Proof == leftover.Risky && c.force
	if permitted && c.remove {
		err := l.Remove(c.ctx)
		switch {
		case errors.Is(err, leftover.ErrGone):
			return
		case err == nil:
			f.Removed = true
		case errors.Is(err, leftover.ErrUsed):
			f.Error = err.Error()
		default:
			f.Error = err.Error()
			c.fail(fmt.Errorf("%s: %w", printable(l.Path), err))
		}
	}
	c.remains = c.remains || permitted && !f.Removed
	if err := f.print(c.out, c.json); err != nil {
		c.fail(err)
	}
}

// A finding is what is printed of a leftover.
type finding struct {
	Path    string         `json:"path"`
	Kind    string         `json:"kind"`
	Proof   leftover.Proof `json:"proof"`
	Why     string         `json:"why"`
	Since   time.Time      `json:"since"`
	Age     float64        `json:"age_seconds"`
	Removed bool           `json:"removed"`
	Error   string         `json:"error,omitempty"`
}

func (f finding) print(w io.Writer, inJSON bool) error {
	if inJSON {
		var line bytes.Buffer
		writeJSON(&line, f)
		_, err := line.WriteTo(w)
		return err
	}
	end := ""
	switch {
	case f.Removed:
		end = "; removed"
	case f.Error != "":
		end = "; left: " + f.Error
	case f.Proof == leftover.Risky:
		end = "; only --force removes it"
	case f.Proof == leftover.Doubtful:
		end = "; it stays"
	}
	age := time.Duration(f.Age * float64(time.Second)).Round(time.Second)
	_, err := fmt.Fprintf(w, "%s: %s, %s old: %s%s\n", printable(f.Path), f.Kind, age, f.Why, end)
	return err
}
