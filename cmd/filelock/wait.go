package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/internal/wait"
)

// waitSettings are what the options of the verb wait say.
type waitSettings struct {
	timeout time.Duration
	kind    kind
}

// command returns the command line, with options that set s.
func (s *waitSettings) command() *getopt.Command {
	*s = waitSettings{timeout: noLimit}
	return &getopt.Command{
		Name:     "filelock wait",
		Synopsis: []string{"[OPTION...] FILE..."},
		About: `
Waits until the locks of files are free, each one after the other, and takes none
of them: by the time that it ends they may be held again. The exit status is 0
then, and 1 if the time ran out.

` + detection,
		Options: append([]getopt.Option{
			{Short: "w", Long: []string{"timeout", "wait"}, Arg: "SECONDS", Set: setSeconds(&s.timeout), Help: "wait no longer than that; fractions are allowed"},
			help,
		}, s.kind.options()...),
	}
}

// waitFor is the verb wait.
func waitFor(args []string, stdout, stderr *os.File) int {
	var set waitSettings
	paths, status, ok := parse(set.command(), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	ctx, stop := until(catch())
	limited := ctx
	if set.timeout != noLimit {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, set.timeout)
		defer cancel()
	}
	var err error
	for _, path := range paths {
		if err = set.kind.free(limited, path); err != nil {
			break
		}
	}
	if ended := stop(); ended != nil {
		return exitSignalled + numberOf(ended)
	}
	if err == nil {
		return 0
	}
	failed := fail(stderr, err)
	if errors.Is(err, filelock.ErrTimeout) {
		return exitConflict
	}
	return failed
}

// free returns when whoever comes next gets the lock at path. If that takes too
// long it fails with [filelock.ErrTimeout], and says who holds it.
func (k kind) free(ctx context.Context, path string) error {
	begin := time.Now()
	for {
		holding, err := k.holding(ctx, path)
		if err != nil || holding == nil {
			return err
		}
		if ctx.Err() == nil {
			err = holding.wait(ctx)
		} else {
			err = ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			r := reportOf(*holding)
			return fmt.Errorf("%s: %w after %s, locked by %s", path, filelock.ErrTimeout, time.Since(begin).Round(time.Millisecond), r.Holders[0].Text)
		}
		if err != nil {
			return err
		}
	}
}

// holding returns a lock at path that is held, or nil.
func (k kind) holding(ctx context.Context, path string) (*sight, error) {
	found, err := k.look(context.WithoutCancel(ctx), path)
	if err != nil {
		return nil, err
	}
	for _, s := range found {
		if !s.available(time.Now()) {
			return &s, nil
		}
	}
	return nil, nil
}

// errHeld is why a wait goes on.
var errHeld = errors.New("held")

// wait returns when the lock of s is free, or another look at all kinds is due.
func (s *sight) wait(ctx context.Context) error {
	return s.watched(s.interval()).Persevere(ctx, errHeld, func() error {
		now, err := s.kind.at(context.WithoutCancel(ctx), s.path)
		if err == nil && !now.available(time.Now()) {
			return errHeld
		}
		return err
	})
}

// interval is how often to look where there are events: the end of a lease is
// none.
func (s *sight) interval() time.Duration {
	if s.kind.name == "lease" {
		return 500 * time.Millisecond
	}
	return 0
}

// watched returns a wait for what happens to the lock. To look at a marker is to
// read it, and must not be an event.
func (s *sight) watched(longest time.Duration) *wait.Wait {
	events := wait.Vanishing
	switch s.kind.name {
	case "", "record":
		events = wait.Unlocking
	}
	w := wait.New(s.file(), uint32(events), longest, nil)
	w.EndsWith(s.process)
	return w
}

// process returns the process whose end frees a soft lock.
func (s *sight) process() int {
	if s.kind.name != "soft" || len(s.state.Holders) == 0 || !isHere(s.state.Holders[0]) {
		return 0
	}
	return s.state.Holders[0].PID
}
