package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["counting"] = counting
	roles["descriptor"] = func(args []string) error { return obey(&descriptor{path: args[0]}) }
}

// descriptor is flock(2) on a file that stays open.
type descriptor struct {
	path string
	file *os.File
}

func (d *descriptor) acquire() (err error) {
	if d.file == nil {
		if d.file, err = os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
			return err
		}
	}
	return d.flock(syscall.LOCK_EX)
}

func (d *descriptor) try() (bool, error) { return false, errors.ErrUnsupported }
func (d *descriptor) release() error     { return d.flock(syscall.LOCK_UN) }

func (d *descriptor) flock(how int) error {
	for {
		if err := syscall.Flock(int(d.file.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}

// A scene is what the processes of a test work on: a lock, a counter, and what
// each notes of its counts.
type scene struct{ dir string }

func (s scene) lock() string     { return filepath.Join(s.dir, "x.lock") }
func (s scene) counter() string  { return filepath.Join(s.dir, "counter") }
func (s scene) log(i int) string { return filepath.Join(s.dir, fmt.Sprintf("log.%d", i)) }

// The counter is a line that is always as long: a process that is killed while
// it writes leaves no half of it.
const counterLine = "%10d\n"

// count adds one to the counter and notes the number that it came to.
func (s scene) count(log io.Writer) error {
	c, err := os.OpenFile(s.counter(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, len(fmt.Sprintf(counterLine, 0)))
	var n int
	if _, err = c.ReadAt(b, 0); err == nil {
		n, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err == nil {
		_, err = c.WriteAt(fmt.Appendf(nil, counterLine, n+1), 0)
	}
	if err == nil {
		_, err = fmt.Fprintln(log, n+1)
	}
	return errors.Join(err, c.Close())
}

// counting is a process that counts in several goroutines for as long as its
// parent lives. Its arguments are the sort of waiter, the directory, the log
// and the number of goroutines.
func counting(args []string) error {
	s := scene{args[1]}
	log, err := os.OpenFile(args[2], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	goroutines, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	var lock func() taker
	switch args[0] {
	case "polls":
		fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Notify {
				return syscall.EMFILE
			}
			return nil
		}})
		fallthrough
	case "events":
		lock = func() taker { return &ours{lock: filelock.New(s.lock())} }
	case "gofrs":
		lock = func() taker { return &gofrs{lock: flock.New(s.lock())} }
	case "descriptor":
		lock = func() taker { return &descriptor{path: s.lock()} }
	default:
		return fmt.Errorf("no sort %q", args[0])
	}
	fmt.Println("ready")
	ended := make(chan error)
	for range goroutines {
		go func() {
			var err error
			for l := lock(); err == nil; {
				err = l.acquire()
				if err == nil {
					err = errors.Join(s.count(log), l.release())
				}
			}
			ended <- err
		}()
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) // ends with the parent
		ended <- nil
	}()
	return <-ended
}

// A waiter is a sort of process that counts, again and again.
type waiter struct {
	name  string
	start func(t *testing.T, s scene, log string) *testproc.Proc
}

var waiters = []waiter{
	{"ours by events", startCounting("events", 4)},
	{"more of ours by events", startCounting("events", 4)},
	{"ours by polls", startCounting("polls", 4)},
	{"gofrs", startCounting("gofrs", 2)},
	{"flock(2) on a descriptor", startCounting("descriptor", 2)},
	{"flock(1) with a command", startShell(`
		while kill -0 $PPID; do
			flock "$1" sh -c '
				read -r n <"$1" && printf "%10d\n" $((n + 1)) 1<>"$1" && echo $((n + 1)) >>"$2"' sh "$2" "$3"
		done`)},
	{"flock(1) on a descriptor", startShell(`
		exec 9>>"$1"
		while kill -0 $PPID; do
			flock 9
			read -r n <"$2" && printf "%10d\n" $((n + 1)) 1<>"$2" && echo $((n + 1)) >>"$3" || exit
			flock -u 9
		done`)},
	{"py-filelock", startCountingPython("FileLock")},
	// A process for each count, which holds the one lock while it wants the other.
	{"flock(2), then lockf", startShell(`
		while kill -0 $PPID; do
			` + python + ` -S -c '
import fcntl, sys
with open(sys.argv[1], "a+") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    fcntl.lockf(lock, fcntl.LOCK_EX)
    with open(sys.argv[2], "r+") as f, open(sys.argv[3], "a") as log:
        n = int(f.read()) + 1
        f.seek(0)
        f.write("%10d\n" % n)
        f.flush()
        log.write("%d\n" % n)
' "$@"
		done`)},
}

func startCounting(sort string, goroutines int) func(t *testing.T, s scene, log string) *testproc.Proc {
	return func(t *testing.T, s scene, log string) *testproc.Proc {
		return testproc.Start(t, "counting", sort, s.dir, log, strconv.Itoa(goroutines))
	}
}

// startShell starts a script, in a group with all that it starts. Its arguments
// are the lock, the counter and the log.
func startShell(script string) func(t *testing.T, s scene, log string) *testproc.Proc {
	return func(t *testing.T, s scene, log string) *testproc.Proc {
		return startGroup(t, exec.Command("sh", "-c", "set -e; echo ready; "+script, "sh", s.lock(), s.counter(), log))
	}
}

func startGroup(t *testing.T, cmd *exec.Cmd) *testproc.Proc {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := testproc.StartCommand(t, cmd)
	t.Cleanup(func() { killAll(p) })
	return p
}

func startCountingPython(kind string) func(t *testing.T, s scene, log string) *testproc.Proc {
	return func(t *testing.T, s scene, log string) *testproc.Proc {
		p := startPython(kind)(t, s.lock(), false)
		p.Say("log " + s.counter() + " " + log)
		return p
	}
}

// killAll kills a process with all that it has started. A group is killed at
// once: nobody is born into it meanwhile.
func killAll(p *testproc.Proc) {
	if attr := p.Cmd.SysProcAttr; p.Cmd.ProcessState == nil && attr != nil && attr.Setpgid {
		syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
	p.Kill()
}

func (s scene) value(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(s.counter())
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return n
}

// notes returns the counts in a log.
func (s scene) notes(t *testing.T, log string) (notes []int) {
	t.Helper()
	f, err := os.Open(log)
	must(t, err)
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		must(t, err)
		notes = append(notes, n)
	}
	return notes
}

// check compares the counter with the notes, of which one may be missing for
// each kill: between counting and noting.
func (s scene) check(t *testing.T, kills int) {
	t.Helper()
	total := s.value(t)
	seen := map[int]string{}
	for i, w := range waiters {
		notes := s.notes(t, s.log(i))
		for _, n := range notes {
			if other, ok := seen[n]; ok {
				t.Errorf("%s and %s both counted %d", other, w.name, n)
			}
			seen[n] = w.name
			if n < 1 || n > total {
				t.Errorf("%s counted %d, but the counter is at %d", w.name, n, total)
			}
		}
		t.Logf("%6d counts: %s", len(notes), w.name)
	}
	if missing := total - len(seen); missing < 0 || missing > kills {
		t.Errorf("of %d counts %d are not noted, after %d kills", total, missing, kills)
	}
	t.Logf("%6d counts, %d not noted, %d kills", total, total-len(seen), kills)
}

func size(t *testing.T, path string) int {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	return int(fi.Size())
}

// goesOn waits until a value changes, and fails the test if it never does.
func goesOn(t *testing.T, value func() int, limit time.Duration, what string) {
	t.Helper()
	before := value()
	for end := time.Now().Add(limit); value() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: no count for %v", what, limit)
		}
	}
}

// TestKillsAmongWaitersOfEverySort has processes that wait for one lock in
// every way there is, and kills them at random moments: never do two have the
// lock, no count is lost, and nobody waits for ever.
func TestKillsAmongWaitersOfEverySort(t *testing.T) {
	needFlock(t)
	kills := locktest.Kills(t, 40) / 5
	s := scene{t.TempDir()}
	must(t, os.WriteFile(s.counter(), fmt.Appendf(nil, counterLine, 0), 0o666))
	procs := make([]*testproc.Proc, len(waiters))
	start := func(i int) {
		procs[i] = waiters[i].start(t, s, s.log(i))
		procs[i].Expect("ready")
	}
	kill := func(i int) {
		killAll(procs[i])
		if state := procs[i].Cmd.ProcessState; state.Exited() {
			t.Fatalf("%s had failed: %v", waiters[i].name, state)
		}
	}
	for i := range waiters {
		must(t, os.WriteFile(s.log(i), nil, 0o666))
		start(i)
	}
	var order []int // so that each is killed as often as any other
	for round := range kills {
		if len(order) == 0 {
			order = rand.Perm(len(waiters))
		}
		i := order[0]
		order = order[1:]
		time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond) // at a random moment
		kill(i)
		goesOn(t, func() int { return s.value(t) }, 30*time.Second, fmt.Sprintf("round %d, %s killed", round, waiters[i].name))
		start(i)
	}
	for end, i := time.Now().Add(time.Minute), 0; i < len(waiters); i++ {
		began := time.Now()
		goesOn(t, func() int { return size(t, s.log(i)) }, time.Until(end), waiters[i].name)
		t.Logf("%s counts after %v more", waiters[i].name, time.Since(began))
	}
	for i := range procs {
		kill(i)
	}
	// What those still do who were killed with a shell, they do under the lock.
	l := &descriptor{path: s.lock()}
	must(t, l.acquire())
	defer l.file.Close()
	s.check(t, kills+len(waiters))
}

// startFlockCommand starts a flock(1) that has the lock until its command ends,
// whatever it is told.
func startFlockCommand(t *testing.T, path string, _ bool) *testproc.Proc {
	t.Helper()
	needFlock(t)
	return startGroup(t, exec.Command("flock", path, "sh", "-c", "read -r _; echo done; read -r _; echo done"))
}

// TestHandOverFromEverybody has each peer let go of a lock that ours waits for.
func TestHandOverFromEverybody(t *testing.T) {
	peers := []peer{
		{name: "flock(1) with a command", kind: "flock", start: startFlockCommand},
		{name: "flock(2) on a descriptor", kind: "flock", start: startRole("descriptor")},
	}
	ways := []struct {
		name  string
		letGo func(p *testproc.Proc)
	}{
		{"release", func(p *testproc.Proc) { p.Say("release") }},
		{"kill", killAll},
	}
	for _, p := range append(peers, all...) {
		if p.kind != "flock" {
			continue
		}
		for _, way := range ways {
			t.Run(p.name+"/"+way.name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "x.lock")
				proc := p.start(t, path, false)
				var latencies []time.Duration
				for range 5 {
					do(t, proc, "acquire", "done")
					latencies = append(latencies, handOver(t, path, func() { way.letGo(proc) }))
					if way.name == "kill" || proc.Cmd.SysProcAttr != nil { // or it ends by itself
						killAll(proc)
						proc = p.start(t, path, false)
					} else {
						proc.Expect("done")
					}
				}
				t.Log(latencies)
			})
		}
	}
}

// handOver has somebody let go while ours waits, and returns how long it took
// until ours had the lock.
func handOver(t *testing.T, path string, letGo func()) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	waiting, got := make(chan struct{}), make(chan time.Time, 1)
	l := filelock.New(path, filelock.WithLogger(locktest.WhenWaiting(waiting)))
	var hold *filelock.Hold
	var err error
	go func() {
		hold, err = l.Acquire(ctx)
		got <- time.Now()
	}()
	<-waiting
	time.Sleep(time.Duration(rand.IntN(20000)) * time.Microsecond) // at a random moment of the wait
	began := time.Now()
	letGo()
	at := <-got
	must(t, err)
	must(t, hold.Release())
	return at.Sub(began)
}
