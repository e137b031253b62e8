package strace

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

func init() { roles["failing"] = failing }

// failures are what calls fail with, each of them with all.
var failures = map[string]syscall.Errno{
	"EINTR": unix.EINTR, "EIO": unix.EIO, "ESTALE": unix.ESTALE, "ENOLCK": unix.ENOLCK,
	"EMFILE": unix.EMFILE, "ENOSPC": unix.ENOSPC, "EBUSY": unix.EBUSY, "EAGAIN": unix.EAGAIN,
}

// A report is what a process tells of an operation one call of which has failed.
type report struct {
	Early  bool   // another call has failed, before the walk
	Err    string // what it came to, first
	Caused bool   // by the failure of the call
	Locked bool   // and it was taken for contention
	Lost   bool   // or for a loss
	Held   bool   // after it had failed
	Again  string // what it came to, the second time
	Opened int    // how many descriptors there are that were not there before
}

// failing is a process that does what is walked through, for the subject and the
// path that are its arguments, and tells of it what comes of the failure that is
// the third.
func failing(args []string) error {
	s, path := subjectNamed(args[0]), args[1]
	failure := failures[args[2]]
	fmt.Println(os.Getpid())
	do, err := s.prepare(path)
	if errors.Is(err, failure) {
		fmt.Println(`{"Early": true}`)
		return nil
	}
	if err != nil {
		return err
	}
	before, err := descriptors()
	if err != nil {
		return err
	}
	mark(acquiring)
	err = do(func() error { return nil })
	mark(over)
	r := report{Err: text(err), Caused: errors.Is(err, failure), Locked: errors.Is(err, filelock.ErrLocked), Lost: errors.Is(err, filelock.ErrLost), Held: s.kind.New(path).Held()}
	r.Again = text(errors.Join(s.giveBack(path), filelock.ReleaseAll()))
	after, err := descriptors()
	if err != nil {
		return err
	}
	r.Opened = after - before
	b, err := json.Marshal(r)
	fmt.Printf("%s\n", b)
	os.Stdin.Read(make([]byte, 1)) // to the end of the test
	return err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// giveBack ends a hold whose release has failed.
func (s subject) giveBack(path string) error {
	h := lastHold
	if h == nil {
		return nil
	}
	lastHold = nil
	if err := h.Release(); !errors.Is(err, filelock.ErrNotHeld) && !errors.Is(err, filelock.ErrLost) {
		return err
	}
	return nil
}

// descriptors counts the open files, but for those of the runtime and of the watch
// of directories. It does so on another thread, which strace does not see.
func descriptors() (n int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []os.DirEntry
		open, err = os.ReadDir("/proc/self/fd")
		for _, fd := range open {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") {
				n++
			}
		}
	}()
	<-done
	return n, err
}

// TestLaw11AnyCallMayFail fails each call of what each subject does, with each of
// the failures: who has not got the lock has an error that says why, what could
// not be released can be released again, and nothing is held, open or left behind
// after that. An EINTR is not noticed (law 26). Usually each call fails with one
// of them, another one each.
func TestLaw11AnyCallMayFail(t *testing.T) {
	forEverySubject(t, subject.walkFaults)
}

func (s subject) walkFaults(t *testing.T) (wrong []error, tried string) {
	names := slices.Sorted(maps.Keys(failures))
	steps := s.steps(t)
	total, missed, told := 0, 0, 0
	for n, at := range steps {
		if !s.takes(n) || strings.Contains(at.text, marks) {
			continue
		}
		for i, name := range names {
			if !locktest.Thorough() && (n+len(s.name))%len(names) != i {
				continue
			}
			if name == "EAGAIN" && at.call == "read" {
				continue // Go waits for more to read then, of which a file knows nothing
			}
			r, err := s.fail(t, at, name)
			switch {
			case err == errMissed:
				missed++
			case err != nil:
				wrong = append(wrong, fmt.Errorf("call %d of %d, %s, fails with %s: %w", n+1, len(steps), at, name, err))
			case r.Err != "":
				told++
			}
			total++
		}
	}
	if missed > total/2 {
		wrong = append(wrong, errNotMuch)
	}
	return wrong, fmt.Sprintf("%d failures of %d calls, of which %d were reported; %d others did not take place", total-missed, len(steps), told, missed)
}

// errMissed says that a run went another way.
var errMissed = errors.New("the call has not failed")

// fail has one call fail, and returns what comes of it and what is wrong then.
func (s subject) fail(t *testing.T, at step, name string) (r report, err error) {
	t.Helper()
	path := s.start(t)
	p := trace(t, []string{at.inject("error=" + name)}, "failing", s.name, path, name)
	if err := json.Unmarshal([]byte(p.Line()), &r); err != nil {
		return r, err
	}
	if r.Early || !strings.Contains(p.text(t), "(INJECTED)") {
		return r, errMissed
	}
	if err := s.judge(r, at, name); err != nil {
		return r, fmt.Errorf("%w: %+v", err, r)
	}
	// That process goes on, and the lock is free; then it ends.
	if err := errors.Join(s.takeOver(t, path), p.Wait(), s.takeOver(t, path)); err != nil {
		return r, fmt.Errorf("it is not free: %w: %+v", err, r)
	}
	may := s.stays()
	if s.before != nil && s.kind.Name == leaseKind.Name {
		may["x.lock|*"] = 1 // that of the dead, whom nobody else tidies up after
	}
	if err := wantFiles(t, path, may); err != nil {
		return r, fmt.Errorf("%w: %+v", err, r)
	}
	return r, nil
}

// judge returns what is wrong with a report.
func (s subject) judge(r report, at step, name string) error {
	open := 0
	if at.call == "close" {
		open = 1 // strace does not have it take place
	}
	switch {
	case r.Err != "" && name == "EINTR":
		return errors.New("an interruption is reported")
	case r.Err != "" && !r.Caused && !r.Locked && !(r.Lost && at.call == "fstat" && name == "ESTALE"):
		return errors.New("the error says something else")
	case r.Again != "":
		return errors.New("it cannot be given back")
	case r.Opened > open:
		return errors.New("files stay open")
	}
	return nil
}
