package locktest

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A Crowd is a number of processes that count under one lock.
type Crowd struct {
	t      testing.TB
	kind   Kind
	scene  Scene
	begin  func(i int) *testproc.Proc
	procs  []*testproc.Proc
	kills  int
	broken int // markers of the dead
}

// Gather starts so many processes that count in s, each in so many goroutines.
func Gather(t testing.TB, k Kind, s Scene, processes, goroutines int) *Crowd {
	t.Helper()
	return GatherFrom(t, k, s, processes, func(i int) *testproc.Proc { return k.Counting(t, s, goroutines, i) })
}

// GatherFrom is Gather where begin starts the ith process, which says "ready".
func GatherFrom(t testing.TB, k Kind, s Scene, processes int, begin func(i int) *testproc.Proc) *Crowd {
	t.Helper()
	c := &Crowd{t: t, kind: k, scene: s, begin: begin, procs: make([]*testproc.Proc, processes)}
	for i := range c.procs {
		c.start(i)
	}
	return c
}

func (c *Crowd) start(i int) { c.procs[i] = c.begin(i) }

func (c *Crowd) kill(i int) {
	c.t.Helper()
	c.kills++
	c.procs[i].Kill()
	if code := c.procs[i].Cmd.ProcessState.ExitCode(); code == testproc.Failed {
		c.t.Fatalf("process %d had failed, before kill %d", i, c.kills)
	}
}

// KillOne kills one of the processes at a random moment, makes sure that the
// others go on, and starts it again.
func (c *Crowd) KillOne() {
	c.t.Helper()
	time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond)
	i := rand.IntN(len(c.procs))
	pid := c.procs[i].PID()
	c.kill(i)
	c.goesOn(i, pid)
	c.start(i)
}

// End kills all, and makes sure that never two had the lock.
func (c *Crowd) End() {
	c.t.Helper()
	for i := range c.procs {
		c.kill(i)
	}
	c.scene.Check(c.t, c.kills)
	if c.kind.CanBreak {
		c.t.Logf("%d locks of the dead were broken from outside", c.broken)
	}
}

// goesOn waits until more has been counted, after the ith process, which had the
// given id, has been killed. It breaks what nobody else does: the lock of that
// process if such a lock outlives its holder, and one that names nobody. That may
// be of somebody alive, so all others are killed first, and start again.
func (c *Crowd) goesOn(i, pid int) {
	c.t.Helper()
	before := c.scene.Value(c.t)
	suspect := time.Now().Add(time.Second)
	for end := time.Now().Add(time.Minute); c.scene.Value(c.t) == before; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			c.t.Fatalf("the lock stays taken, after kill %d", c.kills)
		}
		if !c.kind.CanBreak {
			continue
		}
		s := c.inspect()
		unknown := s.Held && s.Holders[0].PID == 0
		if c.kind.Outlives && s.Held && s.Holders[0].PID == pid {
			if !s.Stale && c.kind.Proves {
				c.t.Fatalf("process %d was killed, but its lock is not stale: %+v", pid, s)
			}
			c.breakLock(s)
		}
		if unknown && time.Now().After(suspect) {
			c.others(i, c.kill)
			if s := c.inspect(); s.Held && s.Holders[0].PID == 0 {
				c.breakLock(s)
			}
			c.others(i, c.start)
			suspect = time.Now().Add(time.Second)
		}
	}
}

func (c *Crowd) inspect() filelock.State {
	c.t.Helper()
	s, err := c.kind.New(c.scene.Lock()).Inspect(c.t.Context())
	must(c.t, err)
	return s
}

func (c *Crowd) breakLock(s filelock.State) {
	c.t.Helper()
	err := c.kind.New(c.scene.Lock()).Break(c.t.Context(), s)
	switch {
	case err == nil:
		c.broken++
	case !errors.Is(err, filelock.ErrLost):
		c.t.Fatal(err)
	}
}

func (c *Crowd) others(i int, do func(int)) {
	for j := range c.procs {
		if j != i {
			do(j)
		}
	}
}
