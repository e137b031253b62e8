package faultfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() { roles["toil"] = toil }

func kindNamed(name string) locktest.Kind {
	for _, k := range kinds {
		if k.Name == name {
			return k
		}
	}
	panic("no kind " + name)
}

// toil is a process that counts in two goroutines until it is told to stop, whatever
// errors it gets of the lock. Its arguments are the kind, the path of the lock,
// the directory of the scene and the process's number.
func toil(args []string) error {
	k, path, s := kindNamed(args[0]), args[1], locktest.Scene{Dir: args[2]}
	log, err := os.OpenFile(filepath.Join(s.Dir, "log."+args[3]), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(bg)
	var counts, failures atomic.Int64
	var all sync.WaitGroup
	wrong := make(chan error, 2)
	for range cap(wrong) {
		all.Go(func() {
			for l := k.New(path); ctx.Err() == nil; {
				var errCount error
				err := l.Do(ctx, func(context.Context) error {
					errCount = s.Count(log)
					counts.Add(1)
					return nil
				})
				if ctx.Err() != nil {
					err = nil // that has ended it
				}
				if errCount != nil || err != nil && !isOfTheSystem(err, path) {
					wrong <- errors.Join(errCount, err)
					return
				}
				if err != nil {
					failures.Add(1)
				}
			}
		})
	}
	fmt.Println("ready")
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
		all.Wait()
		close(wrong)
	}()
	if err := <-wrong; err != nil {
		return err
	}
	// What could not be given back is so now, when all goes well.
	err = k.New(path).Do(bg, func(context.Context) error { return nil }, filelock.WithTimeout(30*time.Second))
	if err := errors.Join(err, filelock.ReleaseAll()); err != nil {
		return err
	}
	fmt.Println(counts.Load(), failures.Load())
	return nil
}

// isOfTheSystem reports whether err says what the system has said, of the lock at
// path.
func isOfTheSystem(err error, path string) bool {
	e, errno := new(filelock.LockError), syscall.Errno(0)
	retried := strings.Contains(err.Error(), "in the way") // see [victim.check]
	return errors.As(err, &e) && strings.Contains(err.Error(), path) && (errors.As(err, &errno) || retried)
}

// A crowd is processes that count on a file system that fails.
type crowd struct {
	*testing.T
	beds  []*bed
	kind  locktest.Kind
	locks []string // of each bed
	scene locktest.Scene
	procs []*testproc.Proc
	kills int

	counts, failures int // of those that were not killed
	broken           int
}

// gather has processes count on beds that show the same.
func gather(t *testing.T, k locktest.Kind, beds ...*bed) *crowd {
	dir, err := os.MkdirTemp(beds[0].dir, "")
	must(t, err)
	c := &crowd{T: t, beds: beds, kind: k, scene: locktest.NewScene(t), procs: make([]*testproc.Proc, 3)}
	for _, b := range beds {
		c.locks = append(c.locks, filepath.Join(b.dir, filepath.Base(dir), "x.lock"))
	}
	for i := range c.procs {
		c.start(i)
	}
	return c
}

func (c *crowd) start(i int) {
	c.procs[i] = testproc.Start(c, "toil", c.kind.Name, c.locks[i%len(c.locks)], c.scene.Dir, strconv.Itoa(i))
	c.procs[i].Expect("ready")
}

// replace kills a process and starts another.
func (c *crowd) replace(i int) {
	c.procs[i].Kill()
	if c.procs[i].Cmd.ProcessState.ExitCode() == testproc.Failed {
		c.Fatalf("process %d had failed", i)
	}
	c.kills++
	c.start(i)
}

// goesOn waits for so many counts. A marker that stands in the way and is nobody's
// is broken in a while.
func (c *crowd) goesOn(counts uint64, during any) {
	c.Helper()
	want := c.scene.Value(c) + counts
	start := time.Now()
	for end := time.Now().Add(time.Minute); c.scene.Value(c) < want; time.Sleep(100 * time.Microsecond) {
		switch now := time.Now(); {
		case now.After(end):
			c.Fatalf("%s: nobody gets the lock, during %+v", c.kind.Name, during)
		case now.Sub(start) > time.Second && !killable(c.kind):
			c.breakNobodys(now.Sub(start) > 10*time.Second)
		}
	}
}

// breakNobodys breaks a marker that is of none of the processes, if one can be seen;
// or, if nothing else helps, one of a process that has made it and could neither
// finish nor remove it, and is killed first.
func (c *crowd) breakNobodys(kills bool) {
	l := c.kind.New(c.locks[0])
	s, err := l.Inspect(bg)
	if err != nil || !s.Held {
		return
	}
	for i, p := range c.procs {
		if p.PID() != s.Holders[0].PID {
			continue
		}
		if !kills {
			return
		}
		c.replace(i)
	}
	if l.Break(bg, s) == nil {
		c.broken++
	}
}

// disperse ends the processes, when all goes well again, and compares what they
// have counted.
func (c *crowd) disperse() {
	for _, b := range c.beds {
		b.heal()
	}
	c.goesOn(1, "nothing")
	for _, p := range c.procs {
		p.Say("stop")
	}
	for i, p := range c.procs {
		var counts, failures int
		err := p.Wait()
		if _, errScan := fmt.Sscan(p.Rest(), &counts, &failures); err != nil || errScan != nil {
			c.Fatalf("process %d has failed: %v", i, err)
		}
		c.counts += counts
		c.failures += failures
	}
	c.scene.Check(c, c.kills)
	for _, lock := range c.locks {
		h, err := c.kind.New(lock).Acquire(bg, filelock.WithTimeout(30*time.Second))
		must(c, err)
		must(c, h.Release())
	}
	c.Logf("%d counts and %d failures of those that lived, %d markers of nobody", c.counts, c.failures, c.broken)
}

// killable reports whether nothing of a killed holder stands in anybody's way for
// long: a directory and a PID file can be nobody's.
func killable(k locktest.Kind) bool { return k.Name != "mkdir" && k.Name != "pid" }

// chance is how often something goes wrong, in a thousand times.
const chance = 50

// TestCountingThroughEachFault has processes count while one thing goes wrong now
// and then.
func TestCountingThroughEachFault(t *testing.T) {
	var failures atomic.Int64 // of one kind there may be none: some faults are outlived
	t.Cleanup(func() {
		if failures.Load() == 0 {
			t.Error("no fault is ever told of")
		}
	})
	for _, k := range chosen() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 0)
			c := gather(t, k, b)
			faults := 0
			for i, w := range wrong {
				for j, errno := range w.errnos {
					if j > 0 && !locktest.Thorough() {
						break
					}
					for _, f := range []Fault{
						{Op: w.op, Errno: errno, Chance: chance},
						{Op: w.op, Errno: errno, Chance: chance, Done: true},
						{Op: w.op, Delay: time.Millisecond, Chance: chance},
					} {
						b.fail(f)
						c.goesOn(3, f)
						faults += b.heal()
					}
				}
				if i%5 == 0 && killable(k) {
					c.replace(i % len(c.procs))
				}
			}
			c.disperse()
			t.Logf("%d faults: %v", faults, b.injected)
			if faults == 0 {
				t.Error("the faults do not reach the lock")
			}
			failures.Add(int64(c.failures))
		})
	}
}

// TestCountingThroughRandomFaults has everything go wrong now and then.
func TestCountingThroughRandomFaults(t *testing.T) {
	b := newBed(t, 0)
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 1))
	all := chosen()
	each := locktest.Seconds(t, 3) / time.Duration(len(all))
	for _, k := range all {
		t.Run(k.Name, func(t *testing.T) {
			c := gather(t, k, b)
			faults := 0
			for end := time.Now().Add(each); time.Now().Before(end); {
				b.carryOut(Plan{Faults: randomFaults(r), Seed: r.Uint64()})
				c.goesOn(5, "random faults")
				if killable(k) && r.IntN(4) == 0 {
					c.replace(r.IntN(len(c.procs)))
				}
				faults += b.heal()
			}
			c.disperse()
			t.Logf("%d faults", faults)
		})
	}
	t.Logf("%v", b.injected)
}

// randomFaults are some of what can go wrong.
func randomFaults(r *rand.Rand) (faults []Fault) {
	for _, w := range wrong {
		f := Fault{Op: w.op, Errno: w.errnos[r.IntN(len(w.errnos))], Done: r.IntN(2) == 0, Chance: 1 + r.IntN(50)}
		if r.IntN(4) == 0 {
			f.Delay = time.Duration(r.IntN(2000)) * time.Microsecond
		}
		if r.IntN(2) == 0 {
			faults = append(faults, f)
		}
	}
	return faults
}

// seedOf returns the number that chance begins with: another one each time, or
// what FILELOCK_SEED says.
func seedOf(t *testing.T) uint64 {
	seed := rand.Uint64()
	if s := os.Getenv("FILELOCK_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("FILELOCK_SEED=%d", seed)
	return seed
}
