package containers

import (
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
