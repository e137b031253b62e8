package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/internal/wait"
)

// watchSettings are what the options of the verb watch say.
type watchSettings struct {
	json bool
	kind kind
}

// command returns the command line, with options that set s.
func (s *watchSettings) command() *getopt.Command {
	return &getopt.Command{
		Name:     "filelock watch",
		Synopsis: []string{"[OPTION...] FILE..."},
		About: `
Tells who holds the locks of files, and then of each change, until it is
interrupted. It disturbs nobody. A lock that is held for less than a tenth of a
second may go unseen.

` + detection,
		Options: append([]getopt.Option{jsonOption(&s.json), help}, s.kind.options()...),
	}
}

// watch is the verb of that name.
func watch(args []string, stdout, stderr *os.File) int {
	var set watchSettings
	paths, status, ok := parse(set.command(), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	ctx, stop := until(catch())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := changeLog{to: stdout, json: set.json, colours: paletteFor(stdout)}
	var all sync.WaitGroup
	for _, path := range paths {
		all.Go(func() { cancel(set.kind.follow(ctx, path, log.write)) })
	}
	all.Wait()
	if ended := stop(); ended != nil {
		return exitSignalled + numberOf(ended)
	}
	return fail(stderr, context.Cause(ctx))
}

// A changeLog tells of changes, one at a time.
type changeLog struct {
	mu      sync.Mutex
	to      *os.File
	json    bool
	colours palette
}

// A change is what became of a lock.
type change struct {
	Time time.Time `json:"time"`
	report
}

func (l *changeLog) write(c change) error {
	var text bytes.Buffer
	if l.json {
		writeJSON(&text, c)
	} else {
		fmt.Fprintf(&text, "%s ", c.Time.Local().Format(time.TimeOnly))
		c.words(&text, l.colours)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := text.WriteTo(l.to)
	return err
}

// The longest pauses between two looks at a lock: who takes one that is free is
// not heard.
const (
	glanceFree = 100 * time.Millisecond
	glanceHeld = 250 * time.Millisecond
)

// follow tells what there is to say of the lock at path, and what changes, until
// that fails or ctx ends.
func (k kind) follow(ctx context.Context, path string, tell func(change) error) error {
	told := map[string]bool{}
	for {
		found, err := k.look(context.WithoutCancel(ctx), path)
		if err != nil {
			return err
		}
		telling := map[string]bool{}
		for _, s := range found {
			r := reportOf(s)
			telling[r.holding()] = true
			if told[r.holding()] {
				continue
			}
			if err := tell(change{time.Now(), r}); err != nil {
				return err
			}
		}
		told = telling
		if err := k.pause(ctx, path, found[0]); err != nil {
			return err
		}
	}
}

// errSame is why a pause goes on.
var errSame = errors.New("the same")

// pause returns when something has changed since s was seen.
func (k kind) pause(ctx context.Context, path string, s sight) error {
	if !s.state.Held {
		w := wait.New("", 0, glanceFree, nil)
		return w.Persevere(ctx, errSame, func() error {
			found, err := k.look(context.WithoutCancel(ctx), path)
			if err == nil && !found[0].state.Held {
				return errSame
			}
			return nil // follow looks again, and reports an error
		})
	}
	before := reportOf(s)
	return s.watched(glanceHeld).Persevere(ctx, errSame, func() error {
		now, err := s.kind.at(context.WithoutCancel(ctx), s.path)
		r := reportOf(now)
		if err == nil && r.holding() == before.holding() {
			return errSame
		}
		return nil
	})
}

// holding tells one hold from another, but for how long it lasts.
func (r *report) holding() string {
	key := fmt.Sprintf("%q %s %s %s", r.Path, r.Kind, r.State, r.Mode)
	for _, h := range r.Holders {
		key += fmt.Sprintf(" %d@%q %d", h.PID, h.Host, h.Since.UnixNano())
	}
	return key
}
