package strace

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// TestKilledAheadOfAnyCall walks through what each subject does. Ahead of every
// call of it, and after the last one, a process is killed: another one gets the
// lock, what a file holds is whole, and nothing stays behind but what is
// documented. Usually only one of those calls is taken after which others find
// the same.
func TestKilledAheadOfAnyCall(t *testing.T) {
	forEverySubject(t, subject.walkKills)
}

// A walk goes through the calls of a subject, and returns what it has found to be
// wrong, and what it has tried, in words.
type walk func(s subject, t *testing.T) (wrong []error, tried string)

func forEverySubject(t *testing.T, walk walk) {
	needStrace(t)
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			wrong, tried := walk(s, t)
			for _, err := range wrong {
				t.Error(err)
			}
			t.Log(tried)
		})
	}
}

var errNotMuch = errors.New("that is not much of a walk")

func (s subject) walkKills(t *testing.T) (wrong []error, tried string) {
	steps := s.steps(t)
	kills, missed := 0, 0
	for n, last := range steps {
		if !locktest.Thorough() && n > 0 && !last.changes() && !steps[n-1].changes() {
			continue
		}
		reached, err := s.kill(t, steps[:n+1])
		if err != nil {
			wrong = append(wrong, fmt.Errorf("killed ahead of call %d of %d, %s: %w", n+1, len(steps), last, err))
		}
		if kills++; !reached && err == nil {
			missed++
		}
	}
	if missed > kills/2 {
		wrong = append(wrong, errNotMuch)
	}
	return wrong, fmt.Sprintf("%d kills, of %d calls and the end; %d others came too late or went another way", kills, len(steps)-1, missed)
}

// steps returns the calls that the walk goes through.
func (s subject) steps(t *testing.T) []step {
	t.Helper()
	p := trace(t, nil, "using", s.name, s.start(t))
	p.Expect("done")
	must(t, p.Wait())
	steps := p.steps(t)
	if len(steps) < 5 || steps[len(steps)-1].stage != over {
		t.Fatalf("there is not much to walk through: %v", steps)
	}
	return steps
}

// tries bounds how often a run is repeated that went another way.
const tries = 10

// kill has a process killed ahead of the last of steps, and returns what is wrong
// then. If it comes to another call, since what it has kept was gone by then, that
// is looked at just the same, and another process is killed. It reports whether
// one was killed there.
func (s subject) kill(t *testing.T, steps []step) (reached bool, err error) {
	t.Helper()
	for range tries {
		path := s.start(t)
		p := startTraced(t, []string{steps[len(steps)-1].inject("signal=SIGKILL")}, "using", s.name, path)
		out := p.Rest()
		p.Wait()
		status := p.Cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Exited() && status.ExitStatus() == 0 {
			continue
		}
		if status.Signal() != syscall.SIGKILL {
			return false, fmt.Errorf("%v: %s", p.Cmd.ProcessState, out)
		}
		if err := s.takeOver(t, path); err != nil {
			return false, err
		}
		if err := wantFiles(t, path, s.leaves); err != nil {
			return false, err
		}
		if same(p.steps(t), steps) {
			return true, nil
		}
	}
	return false, nil
}
