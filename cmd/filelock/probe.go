package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/cmd/filelock/internal/probe"
)

// probeSettings are what the options of the verb probe say.
type probeSettings struct {
	json                bool
	peer, token, listen string
	agent               string
}

func (s *probeSettings) command() *getopt.Command {
	text := func(v *string) func(string) error {
		return func(arg string) error {
			*v = arg
			return nil
		}
	}
	return &getopt.Command{
		Name:     "filelock probe",
		Synopsis: []string{"[--json] DIR", "--listen ADDR:PORT DIR", "--peer HOST:PORT --token TOKEN [--json] DIR"},
		About: `
Finds out by trying what the file system of a directory guarantees, with two
processes, and says which lock to use there. All that it makes is in a directory
of its own in DIR, which it removes.

Two machines that share a file system try it with each other: one listens and
shows a token, the other one is given that. Both run as one user. The connection
is not encrypted; it can do no more than work with files that the probe has made.

The exit status is 0 if there is a lock to use, and 1 if there is none.`,
		Options: []getopt.Option{
			{Long: []string{"json"}, Set: getopt.True(&s.json), Help: "print the report in JSON"},
			{Long: []string{"listen"}, Arg: "ADDR:PORT", Set: text(&s.listen), Help: "wait for a peer; port 0 is any that is free"},
			{Long: []string{"peer"}, Arg: "HOST:PORT", Set: text(&s.peer), Help: "try the directory with whoever listens there"},
			{Long: []string{"token"}, Arg: "TOKEN", Set: text(&s.token), Help: "what that one has shown"},
			help,
			{Long: []string{probe.Agent}, Arg: "DIR", Set: text(&s.agent)}, // the second process
		},
	}
}

// probeDirectory is the verb probe.
func probeDirectory(args []string, stdout, stderr *os.File) int {
	var set probeSettings
	dirs, status, ok := parse(set.command(), args, 0, stdout, stderr)
	switch {
	case !ok:
		return status
	case set.agent != "":
		if err := probe.ServeAgent(set.agent); err != nil {
			return fail(stderr, err)
		}
		return 0
	case len(dirs) != 1, set.peer != "" && set.listen != "", (set.peer != "") != (set.token != ""):
		return fail(stderr, fmt.Errorf("%w: see filelock probe --help", fs.ErrInvalid))
	}
	ctx, stop := until(catch())
	var report *probe.Report
	var err error
	switch dir := dirs[0]; {
	case set.listen != "":
		var l *probe.Listener
		if l, err = probe.Listen(ctx, dir, set.listen); err == nil {
			fmt.Fprintf(stdout, "listening; on the other machine: filelock probe --peer %s --token %s DIR\n", l.Addr(), l.Token)
			err = l.Serve(ctx)
		}
	case set.peer != "":
		report, err = probe.Remote(ctx, dir, set.peer, set.token)
	default:
		report, err = probe.Local(ctx, dir)
	}
	if ended := stop(); ended != nil {
		return exitSignalled + numberOf(ended)
	}
	if err == nil && report != nil {
		err = printReport(stdout, report, set.json)
	}
	switch {
	case err != nil:
		return fail(stderr, err)
	case report != nil && report.Use == "":
		return exitConflict
	}
	return 0
}

func printReport(w io.Writer, r *probe.Report, inJSON bool) error {
	if inJSON {
		var line bytes.Buffer
		writeJSON(&line, r)
		_, err := line.WriteTo(w)
		return err
	}
	var errs []error
	print := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format, args...)
		errs = append(errs, err)
	}
	print("%s", printable(r.Directory))
	if r.System != "" {
		print(": %s on %s (%s)", r.System, r.Mount, r.Options)
	}
	if r.Peer != "" {
		print(", with %s", r.Peer)
	}
	print("\n")
	for _, c := range r.Checks {
		print("  %-26s %-8s %s\n", c.Name, c.Works, c.Detail)
	}
	use := r.Use
	if use == "" {
		use = "nothing excludes here"
	}
	print("use: %s\n", use)
	return errors.Join(errs...)
}
