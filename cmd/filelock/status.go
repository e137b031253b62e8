package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// statusCommand returns the command line of the verb status.
func statusCommand(k *kind) *getopt.Command {
	return &getopt.Command{
		Name:     "filelock status",
		Synopsis: []string{"[OPTION...] FILE..."},
		About: `
Tells who holds the locks of files, and disturbs nobody. The exit status is 0 if
all are free and 1 if one is held.`,
		Options: append([]getopt.Option{help}, k.options()...),
	}
}

// status is the verb of that name.
func status(args []string, stdout, stderr *os.File) int {
	var k kind
	paths, status, ok := parse(statusCommand(&k), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	var report bytes.Buffer
	worst := 0
	for _, path := range paths {
		s, err := k.open(path).Inspect(context.Background())
		switch {
		case err != nil:
			worst = max(worst, fail(stderr, err))
		case !s.Held:
			fmt.Fprintf(&report, "%s: free\n", path)
		default:
			mode := "locked"
			if s.Shared {
				mode = "locked shared"
			}
			for _, h := range s.Holders {
				fmt.Fprintf(&report, "%s: %s by %s\n", path, mode, h)
			}
			worst = max(worst, exitConflict)
		}
	}
	if _, err := report.WriteTo(stdout); err != nil {
		return fail(stderr, err)
	}
	return worst
}
