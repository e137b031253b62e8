package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// status is the verb of that name.
func status(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("status")
	soft := flags.Bool("soft", false, "")
	if status, ok := parse(flags, args, 1, stdout, stderr); !ok {
		return status
	}
	var report bytes.Buffer
	worst := 0
	for _, path := range flags.Args() {
		s, err := open(path, *soft).Inspect(context.Background())
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
