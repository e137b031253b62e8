package strace

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

// TestLaw02NeverTwoWhileOneTakesItsTime has a process take its time before or
// after each call of an acquisition and a release, while others count under the
// same lock all the time, and each of them makes sure that it is alone.
func TestLaw02NeverTwoWhileOneTakesItsTime(t *testing.T) {
	needStrace(t)
	for _, s := range subjects {
		if !s.isLock() || s.cold || s.kind.Name == sharedKind.Name || s.before != nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := s.gather(t)
			steps := c.count(t)
			n := min(len(steps), 6)
			if locktest.Thorough() {
				n = min(len(steps), 100)
			}
			opened := map[string]bool{}
			for i := range n {
				at := steps[i*len(steps)/n]
				how := []string{"delay_enter", "delay_exit"}[i%2]
				micros := 50_000 + rand.IntN(250_000)
				// In a crowd no two runs are the same: one of three calls will be there.
				option := fmt.Sprintf("inject=%s:%s=%d:when=%d..%d", at.call, how, micros, at.nth, at.nth+2)
				for _, call := range c.count(t, option) {
					if strings.HasSuffix(call.text, "(DELAYED)") {
						opened[call.stage+" "+call.call] = true
					}
				}
			}
			c.end(t)
			t.Logf("%d delays, of %d different calls", n, len(opened))
		})
	}
}

// A crowd counts under one lock.
type crowd struct {
	subject subject
	scene   locktest.Scene
	others  []*testproc.Proc
}

func (s subject) gather(t *testing.T) *crowd {
	c := &crowd{s, locktest.NewScene(t), nil}
	for i := range 2 {
		c.others = append(c.others, s.kind.Counting(t, c.scene, 2, i))
	}
	return c
}

// count has one more process count, with strace doing to it what the options say,
// and returns what it does but for the counting.
func (c *crowd) count(t *testing.T, options ...string) (steps []step) {
	t.Helper()
	p := trace(t, options, "using", c.subject.name, c.scene.Lock(), "count")
	if out := trim(p.Rest()); out != "done" {
		t.Errorf("%v: the process says %q", options, out)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %v", options, err)
	}
	for _, at := range p.steps(t) {
		if at.stage != holding {
			steps = append(steps, at)
		}
	}
	return steps
}

func (c *crowd) end(t *testing.T) {
	t.Helper()
	for i, p := range c.others {
		p.Kill()
		if p.Cmd.ProcessState.ExitCode() == testproc.Failed {
			t.Errorf("process %d had failed", i)
		}
	}
	c.scene.Check(t, len(c.others))
}
