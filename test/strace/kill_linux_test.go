package strace

import (
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
	if s.times == 0 && missed > kills/2 { // what is kept may be gone
		wrong = append(wrong, errNotMuch)
	}
	return wrong, fmt.Sprintf("%d kills, of %d calls and the end; %d others came too late or went another way", kills, len(steps)-1, missed)
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
