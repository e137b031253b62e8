package containers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	// wait says when it waits for a lock, and when it has it.
	roles["wait"] = func(args []string) error {
		waiting, had := make(chan struct{}), make(chan error)
		l := kindNamed(args[0]).New(args[1], filelock.WithLogger(locktest.WhenWaiting(waiting)))
		go func() { had <- l.Do(bg, func(context.Context) error { return nil }) }()
		<-waiting
		fmt.Println("waiting")
		err := <-had
		fmt.Println("had", err)
		return err
	}
}

// TestKilledContainerFreesItsSystemLocks kills the first process of a container,
// and with it all others, one of which has a lock or is the one that is killed.
// When it has ended the lock is free; who waits outside gets it.
func TestKilledContainerFreesItsSystemLocks(t *testing.T) {
	all := those(system)
	kills := locktest.Kills(t, 40) / len(all)
	for _, k := range all {
		for i := range kills {
			path := folder(t)
			var first *testproc.Proc
			if i%2 == 0 {
				first = container.holds(t, k, path)
			} else {
				w := container.agent(t)
				w.holds("holder", k, path)
				first = w.Proc
			}
			if i%4 < 2 {
				first.Kill()
				free(t, k, path)
				continue
			}
			had := awaited(t, k, path)
			first.Kill()
			must(t, <-had)
		}
		t.Logf("%s: %d containers killed", k.Name, kills)
	}
}

// TestContainersThatAreKilledLoseNoCount kills containers at random moments while
// they count.
func TestContainersThatAreKilledLoseNoCount(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	all := those(system)
	kills := locktest.Kills(t, 40) / len(all)
	for _, k := range all {
		path, total := folder(t), tally{t, map[int]bool{}}
		procs := make([]*testproc.Proc, 3)
		start := func(i int) { procs[i] = container.start(t, "count", k.Name, path, "1h") }
		for i := range procs {
			start(i)
		}
		end := func(i int) {
			procs[i].Kill()
			if code := procs[i].Cmd.ProcessState.ExitCode(); code == testproc.Failed {
				t.Fatalf("%s: container %d had failed (seed %d)", k.Name, i, seed)
			}
			total.add(procs[i].Rest())
		}
		for range kills {
			time.Sleep(time.Duration(random.IntN(20000)) * time.Microsecond) // at a random moment
			i := random.IntN(len(procs))
			end(i)
			start(i)
		}
		for i := range procs {
			total.add(procs[i].Line()) // it goes on
			end(i)
		}
		total.check(path, kills+len(procs))
		free(t, k, path)
		t.Logf("%s: %d counts, %d containers killed", k.Name, len(total.seen), kills+len(procs))
	}
}

// TestLaw06KilledContainerKeepsItsMarkers has somebody wait outside, who cannot
// know that the container has gone. When its marker is broken the wait is over.
func TestLaw06KilledContainerKeepsItsMarkers(t *testing.T) {
	outside := box{}.agent(t)
	for _, k := range those(marks) {
		path := folder(t)
		p := container.holds(t, k, path)
		had := awaited(t, k, path)
		p.Kill()
		outside.refused(k, path)
		select {
		case err := <-had:
			t.Fatalf("%s: the wait is over: %v", k.Name, err)
		default:
		}
		breakUp(t, k, path)
		must(t, <-had)
		clean(t, k, path)
	}
}

// TestReleaseInAContainerLetsTheOutsideIn has the two change places, too.
func TestReleaseInAContainerLetsTheOutsideIn(t *testing.T) {
	w := container.agent(t)
	for _, k := range those(shared) {
		path := folder(t)
		w.holds("holder", k, path)
		had := awaited(t, k, path)
		w.wants("holder", "release", "done")
		must(t, <-had)

		h, err := k.New(path).Acquire(bg)
		must(t, err)
		w.starts("waiter", "wait", k.Name, path)
		w.hears("waiter", "waiting")
		must(t, h.Release())
		w.hears("waiter", "had <nil>")
		clean(t, k, path)
	}
}

// TestDeathInAContainerLetsItsWaitersIn kills the holder in a container in which
// somebody waits for it.
func TestDeathInAContainerLetsItsWaitersIn(t *testing.T) {
	w := container.agent(t)
	for _, k := range append(those(system), those(proves)...) {
		path := folder(t)
		w.holds("holder", k, path)
		w.starts("waiter", "wait", k.Name, path)
		w.hears("waiter", "waiting")
		w.kill("holder")
		w.hears("waiter", "had <nil>")
		clean(t, k, path)
	}
}
