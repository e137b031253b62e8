package strace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
)

// TestLaw02NeverTwoWhereverOneStops stops a process after each call of what it
// does. Meanwhile this one comes for the lock, goes, comes again, and has it until
// the other one has gone on to its end. Never do both have it; nobody's is taken away; and if one
// has come for nothing, it is free afterwards.
func TestLaw02NeverTwoWhereverOneStops(t *testing.T) {
	forEverySubject(t, subject.walkStops)
}

func (s subject) walkStops(t *testing.T) (wrong []error, tried string) {
	var seen meetings
	steps := s.steps(t)
	for n, last := range steps {
		if !s.takes(n) || !s.whole() && private.MatchString(last.text) {
			continue
		}
		if err := s.meet(t, last, &seen); err != nil {
			wrong = append(wrong, fmt.Errorf("stopped after call %d of %d, %s: %w", n+1, len(steps), last, err))
		}
	}
	if s.whole() && (seen.got == 0 || seen.refused == 0) || seen.missed > seen.total {
		wrong = append(wrong, errNotMuch)
	}
	return wrong, fmt.Sprintf("%d stops, after %d calls: %s", seen.total, len(steps), seen)
}

// meetings count what came of the stops.
type meetings struct{ total, missed, got, refused int }

func (m meetings) String() string {
	return fmt.Sprintf("the one who came got the lock %d times and was refused %d times (%d went another way)", m.got, m.refused, m.missed)
}

// meet stops a process after a step, and comes for the lock.
func (s subject) meet(t *testing.T, at step, seen *meetings) error {
	t.Helper()
	path := s.start(t)
	p := trace(t, []string{at.inject("signal=SIGSTOP")}, "using", s.name, path)
	if !p.awaitStop(t) {
		seen.missed++
		return nil
	}
	seen.total++
	steps := p.steps(t)
	hold, err := s.arrive(t, path)
	switch {
	case err == nil:
		seen.got++
	case errors.Is(err, filelock.ErrLocked):
		seen.refused++
	default:
		return err
	}
	p.goOn(t)
	out := trim(p.Rest())
	if err := p.Wait(); err != nil {
		return fmt.Errorf("the process that was stopped ended with %w: %s", err, out)
	}
	if hold != nil {
		if err := hold.Release(); err != nil {
			return fmt.Errorf("the one who came has lost it: %w", err)
		}
		if had := stageOf(steps); s.isLock() && (had == holding || had == acquiring && out == "done") {
			return fmt.Errorf("two had the lock: %s", out)
		}
	}
	if err := s.free(path); err != nil {
		return fmt.Errorf("neither has it, and it is not free: %w", err)
	}
	if s.check != nil {
		if err := s.check(path); err != nil {
			return err
		}
	}
	return wantFiles(t, path, s.stays())
}

// stageOf returns the stage that a process has come to.
func stageOf(steps []step) string {
	if len(steps) == 0 {
		return acquiring
	}
	return steps[len(steps)-1].stage
}

// isLock reports whether the walk is of an acquisition and a release.
func (s subject) isLock() bool { return s.ready == nil }

// stays says which files there are when all is over.
func (s subject) stays() map[string]int {
	stays := map[string]int{}
	for _, name := range []string{"x", "x.lock", "x.lock.token"} {
		if n, ok := s.leaves[name]; ok {
			stays[name] = n
		}
	}
	return stays
}

// arrive comes for the lock, and breaks the marker of the dead if that does not go
// by itself. A moment is enough: nobody is at it who is not stopped.
func (s subject) arrive(t *testing.T, path string) (*filelock.Hold, error) {
	t.Helper()
	l := s.kind.New(path)
	if s.kind.Outlives || s.kind.Name == leaseKind.Name {
		if state, err := l.Inspect(bg); err == nil && slices.ContainsFunc(state.Holders, isDead) {
			ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
			defer cancel()
			l.Break(ctx, state)
		}
	}
	h, err := l.TryAcquire(bg, filelock.Exclusive())
	if err != nil {
		return nil, err
	}
	if h.Release() != nil {
		return h, nil // who is stopped keeps all from the marker: it goes on
	}
	return l.TryAcquire(bg, filelock.Exclusive())
}

// isDead reports whether a holder is the one that before has left.
func isDead(h filelock.Holder) bool { return h.PID != 0 && h.Command == "" }

// free takes the lock, and gives it back.
func (s subject) free(path string) error {
	h, err := s.kind.New(path).TryAcquire(bg)
	if err != nil {
		return err
	}
	return h.Release()
}
