package strace

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gofilelock/filelock"
)

// TestLaw07BreakSparesWhoeverComesMeanwhile has a process break the hold of this
// one, and stops it after each call. Meanwhile this one gives the lock back and
// takes it again. Never is the second hold taken away.
func TestLaw07BreakSparesWhoeverComesMeanwhile(t *testing.T) {
	needStrace(t)
	for _, s := range subjects {
		if s.before == nil || s.isLock() || s.check != nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var steps []step
			var seen comings
			for n := -1; n < len(steps); n++ { // -1: it is not stopped
				p, err := s.breakLive(t, steps, n, &seen)
				if err != nil {
					t.Errorf("stopped after call %d of %d: %v", n+1, len(steps), err)
				}
				if n < 0 {
					steps = p.steps(t)
				}
			}
			t.Logf("%d stops, after %d calls: %d times the lock was taken again, %d times its hold was broken", seen.total, len(steps), seen.again, seen.broken)
			if seen.again == 0 || seen.broken == 0 {
				t.Error("that is not much of a walk")
			}
		})
	}
}

// comings count what came of the stops.
type comings struct{ total, again, broken int }

func (s subject) breakLive(t *testing.T, steps []step, n int, seen *comings) (*traced, error) {
	t.Helper()
	s.before = nil
	path := s.start(t)
	l := s.kind.New(path)
	first, err := l.TryAcquire(bg)
	must(t, err)
	var options []string
	if n >= 0 {
		options = append(options, steps[n].inject("signal=SIGSTOP"))
	}
	p := trace(t, options, "using", s.name, path)
	var second *filelock.Hold
	released := false
	if p.awaitStop(t) {
		seen.total++
		// It fails after a second where the one who is stopped keeps all from the
		// marker, and can be repeated.
		if err := first.Release(); err == nil || errors.Is(err, filelock.ErrLost) {
			released = true
			second, err = l.TryAcquire(bg)
			if err != nil && !errors.Is(err, filelock.ErrLocked) {
				return p, err
			}
		}
		p.goOn(t)
	}
	out := trim(p.Rest())
	if err := p.Wait(); err != nil {
		return p, fmt.Errorf("the process that breaks ended with %w: %s", err, out)
	}
	if out == "done" {
		seen.broken++
	}
	if second != nil {
		seen.again++
		if err := second.Release(); err != nil {
			return p, fmt.Errorf("the hold that came meanwhile was broken: %w", err)
		}
	}
	if !released {
		if err := first.Release(); err != nil && !(out == "done" && errors.Is(err, filelock.ErrLost)) {
			return p, err
		}
	}
	return p, s.free(path)
}
