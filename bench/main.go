// Command bench measures the locks of this project beside those of others: the
// same work in one run, in small batches by turns, so that whatever else the
// machine does happens to all of them. Times are of this machine and this hour;
// what counts is the ratios, the median of those of each round and their
// quartiles.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/testproc"
)

const usage = `Usage: bench FAMILY [-quick] [-rounds N] [-o DIR] [-dir DIR]
                    [-crowd NxM,...] [-section TIME,...] [-window TIME]
       bench targets DIR...

uncontended  acquire and release where nobody else is: time, allocations
handover     from one process to another: from the release to the waiter's turn
idle         CPU time of a process that waits
crowd        many processes of many goroutines each; whether they exclude each
             other is checked too
neighbour    a lone process beside a busy one, and beside others that block in
             the kernel
nested       Do within Do
scale        many locks in one process, many waiters for one lock
all          all of these, about seven minutes

-quick       a few seconds for all: whether it works, not how fast
-rounds N    how often everything is measured (each family has its own number)
-o DIR       write FAMILY.json and FAMILY.svg there
-dir DIR     where the lock files are, which decides what file system is
             measured (that of temporary files)
-crowd       sizes of the crowd: processes x goroutines (1x64,4x64,16x64)
-section     how long one of the crowd keeps the lock (0s)
-window      how long a crowd, or neighbours, are observed in a round (2s)

targets      prints what became of the targets in the runs that wrote to DIR...

Peers that are not installed are left out. The environment variable FILELOCK_PY
lists directories with other versions of py-filelock.
`

// roles are those that this program starts processes of itself in.
var roles = map[string]testproc.Role{
	"party":   obey,
	"crew":    work,
	"holder":  holdMany,
	"waiters": waitMany,
}

var families = []family{
	{"uncontended", uncontended},
	{"handover", handover},
	{"idle", idle},
	{"crowd", crowd},
	{"neighbour", neighbour},
	{"nested", nested},
	{"scale", scale},
}

func main() {
	testproc.Main(roles)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	exitFailed = 1
	exitUsage  = 64
)

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "targets" {
		if err := targets(args[1:], stdout); err != nil {
			fmt.Fprintf(stderr, "bench: %v\n", err)
			return exitFailed
		}
		return 0
	}
	chosen, set, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "bench: %v (try bench -help)\n", err)
		return exitUsage
	case !supported:
		fmt.Fprintln(stderr, "bench: this system is not measured yet: linux.go has what it would have to supply")
		return exitFailed
	}
	for _, f := range chosen {
		if err := f.measure(ctx, set, stdout); err != nil {
			fmt.Fprintf(stderr, "bench: %s: %v\n", f.name, err)
			return exitFailed
		}
	}
	return 0
}

// settings are what the command line says.
type settings struct {
	rounds   int // 0: the family's own
	quick    bool
	out, dir string
	sizes    []size
	sections []time.Duration
	window   time.Duration // 0: the default
}

func parse(args []string) ([]family, settings, error) {
	var set settings
	if len(args) == 0 {
		return nil, set, errors.New("which family?")
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // dispatch says it
	flags.IntVar(&set.rounds, "rounds", 0, "")
	flags.BoolVar(&set.quick, "quick", false, "")
	flags.StringVar(&set.out, "o", "", "")
	flags.StringVar(&set.dir, "dir", "", "")
	flags.DurationVar(&set.window, "window", 0, "")
	flags.Func("crowd", "", func(s string) (err error) {
		set.sizes, err = list(s, parseSize)
		return err
	})
	flags.Func("section", "", func(s string) (err error) {
		set.sections, err = list(s, time.ParseDuration)
		return err
	})
	name, rest := args[0], args[1:]
	if strings.HasPrefix(name, "-") {
		name, rest = "", args
	}
	if err := flags.Parse(rest); err != nil {
		return nil, set, err
	}
	if flags.NArg() > 0 {
		return nil, set, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	if name == "all" {
		return families, set, nil
	}
	i := slices.IndexFunc(families, func(f family) bool { return f.name == name })
	if i < 0 {
		return nil, set, fmt.Errorf("there is no family %q", name)
	}
	return families[i : i+1], set, nil
}

func list[T any](s string, parse func(string) (T, error)) (all []T, err error) {
	for part := range strings.SplitSeq(s, ",") {
		v, err := parse(part)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// A size is that of a crowd.
type size struct{ processes, workers int }

func (s size) String() string { return fmt.Sprintf("%d×%d", s.processes, s.workers) }

func parseSize(s string) (size, error) {
	n, m, _ := strings.Cut(s, "x")
	processes, err1 := strconv.Atoi(n)
	workers, err2 := strconv.Atoi(m)
	if err := errors.Join(err1, err2); err != nil || processes < 1 || workers < 1 {
		return size{}, fmt.Errorf("%q is not like 4x64", s)
	}
	return size{processes, workers}, nil
}
