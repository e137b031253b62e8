package main

import (
	"bytes"
	"context"
	"os"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/internal/holders"
	"github.com/gofilelock/filelock/internal/sys"
)

// statusSettings are what the options of the verb status say.
type statusSettings struct {
	json bool
	kind kind
}

// command returns the command line, with options that set s.
func (s *statusSettings) command() *getopt.Command {
	return &getopt.Command{
		Name:     "filelock status",
		Synopsis: []string{"[OPTION...] FILE..."},
		About: `
Tells who holds the locks of files, and who waits for them, and disturbs nobody.
The exit status is 0 if whoever comes next gets all of them: they are free, or
their holders have died or let them expire and that is cleared away. It is 1 if
one of them is held.

` + detection,
		Options: append([]getopt.Option{jsonOption(&s.json), help}, s.kind.options()...),
	}
}

// detection says what verbs do that only look, if they are not told a kind.
const detection = `Without an option that names the kind of the lock it is told by what is there: a
lock of the system on FILE, a soft lock or a lease in it, or any of them, or
lockfile's, in FILE.lock. A PID lock has to be named, and so has a marker that
may not be read. Who holds a lock of the system can be told on Linux only, and not
if that is in another container or on another machine. Such locks look free.`

// status is the verb of that name.
func status(args []string, stdout, stderr *os.File) int {
	var set statusSettings
	paths, status, ok := parse(set.command(), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	var text bytes.Buffer
	worst, colours := 0, paletteFor(stdout)
	for _, path := range paths {
		found, err := set.kind.look(context.Background(), path)
		if err != nil {
			worst = max(worst, fail(stderr, err))
			continue
		}
		for _, s := range found {
			r := reportOf(s)
			r.Waiters = waitersOf(s)
			if set.json {
				writeJSON(&text, r)
			} else {
				r.words(&text, colours)
			}
			if !r.Available {
				worst = max(worst, exitConflict)
			}
		}
	}
	if _, err := text.WriteTo(stdout); err != nil {
		return fail(stderr, err)
	}
	return worst
}

// waitersOf returns who waits for a lock that is held, as far as can be seen.
func waitersOf(s sight) (all []process) {
	info, err := sys.Lstat(s.file())
	if err != nil || !s.state.Held {
		return nil
	}
	known := map[int]bool{0: true} // of those that cannot be seen there is nothing to say
	for _, h := range s.state.Holders {
		known[h.PID] = true
	}
	add := func(pids []int, blocked bool) {
		for _, pid := range pids {
			if known[pid] {
				continue
			}
			known[pid] = true
			w := processHere(pid)
			w.Blocked = &blocked
			all = append(all, w)
		}
	}
	switch s.kind.name {
	case "":
		add(holders.Blocked(info.ID, holders.Flock), true)
	case "record":
		add(holders.Blocked(info.ID, holders.Record), true)
	}
	add(holders.Watching(info.ID), false)
	return all
}
