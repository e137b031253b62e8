package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/internal/holders"
)

// listCommand returns the command line of the verb list.
func listCommand(json *bool) *getopt.Command {
	return &getopt.Command{
		Name:     "filelock list",
		Synopsis: []string{"[OPTION...] [PATH...]"},
		About: `
Lists the locks of the system on all files of this machine, or on those at the
paths and below: who holds them, since when that process runs, and who is blocked
on them. Of the locks of other users only root is told everything. Soft locks,
leases and lockfile's are files like all others; status tells of them. Linux only.`,
		Options: []getopt.Option{jsonOption(json), help},
	}
}

// A listed lock is one on some file.
type listed struct {
	Path    string `json:"path,omitempty"`
	Kind    string `json:"kind"` // flock, record (of a process) or ofd (of an open file)
	Mode    string `json:"mode"` // exclusive or shared
	Waiting bool   `json:"waiting"`
	process
}

// list is the verb of that name.
func list(args []string, stdout, stderr *os.File) int {
	var asJSON bool
	paths, status, ok := parse(listCommand(&asJSON), args, 0, stdout, stderr)
	if !ok {
		return status
	}
	within, err := below(paths)
	if err != nil {
		return fail(stderr, err)
	}
	entries, err := holders.All()
	if err != nil {
		return fail(stderr, err)
	}
	locks := []listed{}
	for _, e := range entries {
		if within(e.Path) {
			locks = append(locks, listedOf(e))
		}
	}
	var text bytes.Buffer
	if asJSON {
		for _, l := range locks {
			writeJSON(&text, l)
		}
	} else {
		writeTable(&text, locks)
	}
	if _, err := text.WriteTo(stdout); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// below returns what reports whether a path is one of those given, or below. The
// system shows paths without links in them.
func below(paths []string) (func(string) bool, error) {
	var roots []string
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, real)
	}
	return func(path string) bool {
		for _, root := range roots {
			if path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
				return true
			}
		}
		return len(roots) == 0
	}, nil
}

func listedOf(e holders.Entry) listed {
	l := listed{Path: e.Path, Kind: "flock", Mode: "exclusive", Waiting: e.Waiting, process: processHere(e.PID)}
	switch {
	case e.Kind == holders.Record && e.Process:
		l.Kind = "record"
	case e.Kind == holders.Record:
		l.Kind = "ofd"
	}
	if e.Shared {
		l.Mode = "shared"
	}
	return l
}

func writeTable(b *bytes.Buffer, locks []listed) {
	w := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PID\tUSER\tAGE\tKIND\tMODE\tPATH\tCOMMAND")
	for _, l := range locks {
		pid, mode := "?", l.Mode
		if l.PID != 0 {
			pid = fmt.Sprint(l.PID)
		}
		if l.Waiting {
			mode = "waits, " + mode
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", pid, known(l.User), age(l.Started), l.Kind, mode, known(printable(l.Path)), known(l.Command))
	}
	w.Flush() // to memory
}

func known(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// age says how long ago t was, in the unit that fits.
func age(t time.Time) string {
	d := time.Since(t)
	switch {
	case t.IsZero():
		return "?"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}
