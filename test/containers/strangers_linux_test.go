package containers

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLaw06NobodyOfAnotherContainerIsDead has the first process of a container
// hold a lock, and one whose id nobody else has, and judges them from another
// container, whose host has the same name, and from the outside: alive and dead.
func TestLaw06NobodyOfAnotherContainerIsDead(t *testing.T) {
	const odd = 20000
	there, outside := container.agent(t), box{}.agent(t)
	for _, k := range those(marks) {
		path, oddPath := folder(t), folder(t)
		first := container.holds(t, k, path)
		rest := container.agent(t)
		rest.startsAs(odd, "odd", "hold "+k.Name, oddPath)
		rest.wants("odd", "acquire", "done")
		judge := func() {
			t.Helper()
			for _, w := range []world{there, outside} {
				if s := w.refused(k, path); s.pid != 1 || k.places && s.described {
					t.Errorf("%s: the holder is %s", k.Name, s.text)
				}
				if s := w.refused(k, oddPath); s.pid != odd || s.described {
					t.Errorf("%s: the holder is %s", k.Name, s.text)
				}
			}
		}
		judge()
		first.Kill()
		rest.Kill()
		judge()
		for _, path := range []string{path, oddPath} {
			breakUp(t, k, path)
			free(t, k, path)
			clean(t, k, path)
		}
	}
}

// TestYoungerProcessIsNotTheHolder has locks that do not say in which container
// their number is from: what has that number here was started after the lock was
// taken.
func TestYoungerProcessIsNotTheHolder(t *testing.T) {
	k, path := kindNamed("pid"), folder(t)
	container.holds(t, k, path)
	long := time.Now().Add(-time.Minute)
	must(t, os.Chtimes(path, long, long))
	if s := container.agent(t).refused(k, path); s.pid != 1 || s.described {
		t.Errorf("the holder is %s", s.text)
	}
}

// TestDeathInTheSameContainerIsProven is the other half of law 6: nobody dead is
// believed alive for ever.
func TestDeathInTheSameContainerIsProven(t *testing.T) {
	w := container.agent(t)
	for _, k := range those(proves) {
		path := folder(t)
		pid := w.holds("holder", k, path)
		if s := w.refused(k, path); s.pid != pid || !s.described || !strings.Contains(s.text, "started") {
			t.Errorf("%s: the holder is %s", k.Name, s.text)
		}
		w.kill("holder")
		if s := w.look(k, path); !s.held || !s.stale {
			t.Errorf("%s: it is seen as %+v", k.Name, s)
		}
		if !w.tries(k, path) {
			t.Errorf("%s: a dead holder keeps the lock", k.Name)
		}
		clean(t, k, path)
	}
}

// TestOutsideSeesWhoHoldsInAContainer has locks of the system, of which those
// within are seen from without, by the ids that they have there, and not the
// other way round: in the container a lock is known to be taken when it is tried.
func TestOutsideSeesWhoHoldsInAContainer(t *testing.T) {
	outside, there := box{}.agent(t), container.agent(t)
	for _, k := range those(system) {
		path := folder(t)
		p := container.holds(t, k, path)
		if s := outside.refused(k, path); s.pid != p.PID() || !s.described {
			t.Errorf("%s: the holder is not process %d, but %s", k.Name, p.PID(), s.text)
		}
		if s := there.look(k, path); s.pid != 0 || s.described {
			t.Errorf("%s: the holder is seen to be %s", k.Name, s.text)
		}
		if there.tries(k, path) {
			t.Errorf("%s: two have it", k.Name)
		}
	}
}

// TestPyFilelocksMarkerIsJudgedByItsOwnRule: it does not say in which container
// its number is from, so a number that nobody has is proof to py-filelock.
func TestPyFilelocksMarkerIsJudgedByItsOwnRule(t *testing.T) {
	k, there := kindNamed("soft"), container.agent(t)
	host, err := os.Hostname()
	must(t, err)
	for pid, stale := range map[int]bool{1: false, 20000: true} {
		path := folder(t)
		must(t, os.WriteFile(path, fmt.Appendf(nil, "%d\n%s\n", pid, host), 0o666))
		if s := there.look(k, path); s.stale != stale || s.pid != pid {
			t.Errorf("that of process %d is seen as %+v", pid, s)
		}
		if there.tries(k, path) != stale {
			t.Errorf("that of process %d: stale: %v", pid, stale)
		}
	}
}
