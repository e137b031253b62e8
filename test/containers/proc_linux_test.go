package containers

import "testing"

// TestLaw06WithoutProcNobodyIsDead has a process that does not see which others
// there are: /proc is that of the outside, or none at all. It has locks as
// everybody else has, and holds nobody for dead. Nor does anybody hold it for
// dead, since it does not know in which container it is.
func TestLaw06WithoutProcNobodyIsDead(t *testing.T) {
	blind := map[string]box{
		"of the outside": {namespaces: container.namespaces},
		"none":           beside.with("noproc"),
		"none inside":    {namespaces: container.namespaces, stages: []string{"noproc"}},
	}
	here := box{}.agent(t)
	for what, b := range blind {
		for _, k := range those(shared) {
			path := folder(t)
			p := b.holds(t, k, path)
			here.refused(k, path)
			p.Say("release")
			p.Expect("done")
			free(t, k, path)
			if k.system {
				continue
			}
			p.Say("acquire")
			p.Expect("done")
			p.Kill()
			if s := here.look(k, path); !s.held || s.stale {
				t.Errorf("%s, /proc %s: it is seen as %+v", k.Name, what, s)
			}
			breakUp(t, k, path)
			here.holds("holder", k, path)
			here.kill("holder")
			q := b.start(t, "hold "+k.Name, path)
			q.Say("try")
			if got := q.Line(); got == "done" {
				t.Errorf("%s, /proc %s: it has the lock of somebody who may be alive", k.Name, what)
			}
			breakUp(t, k, path)
			clean(t, k, path)
		}
	}
}

// TestHiddenProcessesAreNotDead has somebody to whom the processes of others do
// not show, but the system tells all the same whether they exist.
func TestHiddenProcessesAreNotDead(t *testing.T) {
	here, other := box{}.agent(t), beside.with("hidepid", "nobody").agent(t)
	for _, k := range those(proves) {
		path := folder(t)
		here.holds("holder", k, path)
		if s := other.refused(k, path); s.described {
			t.Errorf("%s: the holder is %s", k.Name, s.text)
		}
		here.kill("holder")
		if s := other.look(k, path); !s.stale {
			t.Errorf("%s: it is seen as %+v", k.Name, s)
		}
		if k.Name == "mkdir" { // which only its owner may empty
			breakUp(t, k, path)
		} else if !other.tries(k, path) {
			t.Errorf("%s: a dead holder keeps the lock", k.Name)
		}
		clean(t, k, path)
	}
}

// TestLaw06OfAnotherClockNobodyIsDead has processes of one container and two time
// namespaces: they do not agree on when any of them was started.
func TestLaw06OfAnotherClockNobodyIsDead(t *testing.T) {
	needNamespaces(t)
	for _, offset := range []string{"-1", "100000"} {
		here, other := box{}.agent(t), box{by: []string{"unshare", "--time", "--boottime", offset}}.agent(t)
		for _, k := range those(marks) {
			for _, w := range []struct{ holder, judge world }{{here, other}, {other, here}} {
				path := folder(t)
				w.holder.holds("holder", k, path)
				w.judge.refused(k, path)
				w.holder.kill("holder")
				w.judge.refused(k, path)
				if s := w.holder.look(k, path); s.stale != k.proves {
					t.Errorf("%s: by its own clock it is seen as %+v", k.Name, s)
				}
				breakUp(t, k, path)
				clean(t, k, path)
			}
		}
	}
}

// TestLaw06RootOfAContainerIsNobodyOutside has users who are not the same inside
// and outside: who may not ask for a process's state does not take it for dead.
func TestLaw06RootOfAContainerIsNobodyOutside(t *testing.T) {
	here := box{}.agent(t)
	mapped := box{users: true}.agent(t)
	for _, k := range those(proves) {
		for _, w := range []struct{ holder, judge world }{{here, mapped}, {mapped, here}} {
			path := folder(t)
			w.holder.holds("holder", k, path)
			w.judge.refused(k, path)
			w.holder.kill("holder")
			if s := w.judge.look(k, path); !s.stale {
				t.Errorf("%s: it is seen as %+v", k.Name, s)
			}
			if !w.judge.tries(k, path) {
				t.Errorf("%s: a dead holder keeps the lock", k.Name)
			}
			clean(t, k, path)
		}
	}
}
