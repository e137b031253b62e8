package strace

import (
	"errors"
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// A walk goes through the calls of a subject, and returns what it has found to be
// wrong, and what it has tried, in words.
type walk func(s subject, t *testing.T) (wrong []error, tried string)

func forEverySubject(t *testing.T, walk walk) {
	needStrace(t)
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			wrong, tried := walk(s, t)
			for range tries { // what was to be walked through was an exception
				if len(wrong) != 1 || wrong[0] != errNotMuch {
					break
				}
				wrong, tried = walk(s, t)
			}
			for _, err := range wrong {
				t.Error(err)
			}
			t.Log(tried)
		})
	}
}

// takes reports whether a walk takes the nth call: usually one of three, in CI and
// of the controls each.
func (s subject) takes(n int) bool {
	return s.whole() || (n+len(s.name))%3 == 0
}

func (s subject) whole() bool { return s.control || locktest.Thorough() }

var errNotMuch = errors.New("that is not much of a walk")

// steps returns the calls that the walk goes through: what two runs do in the same
// way.
func (s subject) steps(t *testing.T) (steps []step) {
	t.Helper()
	for range tries {
		before := steps
		if steps = s.run(t); same(steps, before) {
			break
		}
	}
	return steps
}

func (s subject) run(t *testing.T) []step {
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
