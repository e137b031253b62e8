package linear

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

func TestMain(m *testing.M) {
	testproc.Main(map[string]testproc.Role{"play": play})
	verify.Main(m)
}

// A death is what becomes of the holds of a process that is killed.
type death int

const (
	ends   death = iota // the system ends them
	clears              // whoever comes next does
	stays               // they stay until they are broken
)

// A kind is a kind of lock, as the model sees it.
type kind struct {
	name     string
	open     func(path string) locktest.Lock
	shares   bool
	removes  bool // who gives it back, be it shared, excludes everybody for an instant
	breaks   bool // clients break each other's holds
	tokens   bool
	lease    bool
	halves   bool // a marker says nothing for an instant, in which it may be inspected to be broken
	crowds   bool // who is trying may be seen to have the lock, and lose it before it is a hold
	death    death
	steps    int           // of each client
	idle     time.Duration // the longest pause of a client
	patience time.Duration // the longest limited wait
}

var kinds = []*kind{
	{name: "flock", open: func(path string) locktest.Lock { return filelock.New(path) }, shares: true},
	{name: "record", open: func(path string) locktest.Lock { return filelock.New(path, filelock.WithRecordLocks()) }, shares: true},
	{name: "remove", open: func(path string) locktest.Lock { return filelock.New(path, filelock.WithRemove()) }, shares: true, removes: true},
	{name: "soft", open: func(path string) locktest.Lock { return filelock.NewSoft(path) }, death: clears},
	{name: "soft broken", open: func(path string) locktest.Lock { return filelock.NewSoft(path) }, death: clears, breaks: true, crowds: true},
	{name: "link", open: openMarker(marker.NewLink, true), death: clears, breaks: true, crowds: true},
	{name: "symlink", open: openMarker(marker.NewSymlink, true), death: clears, breaks: true, crowds: true},
	{name: "mkdir", open: openMarker(marker.NewMkdir, false), death: stays, crowds: true},
	{name: "pid", open: openMarker(marker.NewPID, false), death: stays, breaks: true, crowds: true, halves: true},
	{name: "lease", open: openLease, death: stays, lease: true, tokens: true, crowds: true,
		steps: 40, idle: 300 * time.Millisecond, patience: 2 * time.Second},
	{name: "lease broken", open: openLease, death: stays, lease: true, tokens: true, crowds: true, breaks: true,
		steps: 40, idle: 300 * time.Millisecond, patience: 2 * time.Second},
	{name: "memory", shares: true, tokens: true, crowds: true},
	{name: "memory broken", tokens: true, crowds: true, breaks: true},
}

func init() {
	for _, k := range kinds {
		if k.steps == 0 {
			k.steps, k.idle, k.patience = 40, 500*time.Microsecond, 3*time.Millisecond
		}
	}
}

func kindNamed(name string) (*kind, error) {
	for _, k := range kinds {
		if k.name == name {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no kind %q", name)
}

func openMarker(open func(string, marker.Config, ...filelock.Option) *marker.Lock, breakStale bool) func(string) locktest.Lock {
	return func(path string) locktest.Lock { return open(path, marker.Config{BreakStale: breakStale}) }
}

func openLease(path string) locktest.Lock {
	return lease.New(path, lease.Config{Lifetime: lifetime, Slop: slop, Fencing: true})
}

// seedVariable has one history be recorded again, as far as chance is the test's
// own.
const seedVariable = "FILELOCK_SEED"

// TestHistoriesAreLinearizable records histories for as long as there is time.
// What Porcupine shows of one that is not stays in a file.
func TestHistoriesAreLinearizable(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			atOnce := 1
			if k.lease {
				atOnce = 4 // they mostly wait
			}
			var sum tally
			var wg sync.WaitGroup
			end := time.Now().Add(locktest.Seconds(t, 1))
			for range atOnce {
				wg.Go(func() {
					for begun := false; !begun || time.Now().Before(end); begun = true {
						seed := newSeed(t)
						sum.add(t, k.record(t, seed), seed)
						if t.Failed() || os.Getenv(seedVariable) != "" {
							return
						}
					}
				})
			}
			wg.Wait()
			t.Log(&sum)
		})
	}
}

func newSeed(t *testing.T) uint64 {
	text := os.Getenv(seedVariable)
	if text == "" {
		return rand.Uint64N(1 << 31)
	}
	seed, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// A tally counts what was tried.
type tally struct {
	mu                                     sync.Mutex
	histories, operations, kills, stops    int
	open, refused, taken, broken, lostOnes int
	longest                                time.Duration // of Porcupine
}

// add checks a history, and counts it.
func (s *tally) add(t *testing.T, h *history, seed uint64) {
	if h == nil {
		return
	}
	h.prepare()
	began := time.Now()
	verdict, model, info := h.check(time.Minute)
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histories++
	s.operations += len(h.all)
	s.kills += h.kills
	s.stops += h.stops
	s.longest = max(s.longest, took)
	for _, o := range h.all {
		switch {
		case o.Verb == die:
		case o.Result == open:
			s.open++
		case o.Result == locked:
			s.refused++
		case o.Verb == acquire && o.Result == ok:
			s.taken++
		case o.Verb == breakHold && o.Result == ok:
			s.broken++
		case o.Result == lost && o.Verb != breakHold:
			s.lostOnes++
		}
	}
	if verdict == porcupine.Ok {
		return
	}
	base := filepath.Join(os.TempDir(), fmt.Sprintf("filelock-history-%s-%d", strings.ReplaceAll(h.kind.name, " ", "-"), seed))
	if err := h.write(base + ".json"); err != nil {
		t.Error(err)
	}
	if err := porcupine.VisualizePath(model, info, base+".html"); err != nil {
		t.Error(err)
	}
	t.Errorf("%s=%d: %d operations: %s: see %s.html and .json\n%s", seedVariable, seed, len(h.all), verdict, base, h.explain(info))
}

func (s *tally) String() string {
	return fmt.Sprintf("%d histories, %d operations (%d acquired, %d refused, %d broken, %d told of a loss, %d open), %d kills, %d stops; the longest check took %s",
		s.histories, s.operations, s.taken, s.refused, s.broken, s.lostOnes, s.open, s.kills, s.stops, s.longest.Round(time.Millisecond))
}

// A scene is the directory of a history.
type scene struct{ dir string }

func (s scene) lock() string           { return filepath.Join(s.dir, "x") }
func (s scene) log(process int) string { return filepath.Join(s.dir, fmt.Sprintf("log.%d", process)) }
func (s scene) names() string          { return filepath.Join(s.dir, "pid") }

// introduce lets others know which process has this one's id.
func (s scene) introduce(process int) error {
	return os.Symlink(strconv.Itoa(process), fmt.Sprintf("%s.%d", s.names(), os.Getpid()))
}

// process returns which process a holder is.
func (s scene) process(h filelock.Holder) int {
	name, err := os.Readlink(fmt.Sprintf("%s.%d", s.names(), h.PID))
	if err != nil {
		return unknown
	}
	process, err := strconv.Atoi(name)
	if err != nil {
		return unknown
	}
	return process
}

const (
	atFirst  = 4  // processes
	mostDead = 6  // of a history
	last     = 15 // the process that looks at what is left
)

// record has processes use a lock, and kills and stops some of them.
func (k *kind) record(t *testing.T, seed uint64) *history {
	if k.open == nil {
		return k.recordInMemory(t, seed)
	}
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Error(err)
		return nil
	}
	d := &director{
		kind: k, t: t, scene: scene{dir}, seed: seed, random: rand.New(rand.NewPCG(seed, 0)),
		history: &history{kind: k}, ended: make(chan *actor, mostClients), actors: map[*actor]bool{},
	}
	d.goroutines = 1
	if !k.breaks && !k.lease {
		d.goroutines += d.random.IntN(2) // what is handed on within a process is broken as one hold
	}
	if err := d.direct(); err != nil {
		t.Errorf("%s=%d: %v", seedVariable, seed, err)
		return nil
	}
	return d.history
}

// A director starts, kills and stops processes.
type director struct {
	*history
	kind       *kind
	t          *testing.T
	scene      scene
	seed       uint64
	random     *rand.Rand
	goroutines int
	actors     map[*actor]bool // that are at work
	ended      chan *actor
	begun      int // processes
}

// An actor is a process.
type actor struct {
	*testproc.Proc
	process int
	said    string
	silent  chan struct{} // closed when it says no more
}

func (d *director) start() *actor {
	a := &actor{process: d.begun, silent: make(chan struct{})}
	d.begun++
	a.Proc = testproc.Start(d.t, "play", d.kind.name, d.scene.dir,
		strconv.Itoa(a.process), strconv.Itoa(d.goroutines), strconv.Itoa(d.kind.steps/d.goroutines), strconv.FormatUint(d.seed, 10))
	return a
}

func (d *director) begin(a *actor) {
	a.Expect("ready")
	a.Say("go")
	d.actors[a] = true
	go func() {
		a.said = a.Rest()
		close(a.silent)
		d.ended <- a
	}()
}

func (d *director) direct() error {
	var first []*actor
	for range atFirst {
		first = append(first, d.start())
	}
	for _, a := range first {
		d.begin(a)
	}
	defer func() {
		for a := range d.actors { // after a failure
			a.Kill()
			<-a.silent
		}
	}()
	deadline := time.After(2 * time.Minute)
	for len(d.actors) > 0 {
		select {
		case a := <-d.ended:
			if !d.actors[a] {
				continue // it was killed
			}
			delete(d.actors, a)
			if err := a.Wait(); err != nil || a.said != "done\n" {
				return fmt.Errorf("process %d has failed: %v, %q", a.process, err, a.said)
			}
		case <-time.After(rand.N(10 * d.kind.patience)):
			if err := d.disturb(); err != nil {
				return err
			}
		case <-deadline:
			return fmt.Errorf("%d processes wait for ever (see %s)", len(d.actors), d.scene.dir)
		}
	}
	if err := d.finish(); err != nil {
		return err
	}
	for process := range d.begun {
		if err := d.load(d.scene.log(process)); err != nil {
			return err
		}
	}
	return d.load(d.scene.log(last))
}

// disturb kills or stops a process.
func (d *director) disturb() error {
	all := slices.SortedFunc(maps.Keys(d.actors), func(a, b *actor) int { return a.process - b.process })
	a := all[d.random.IntN(len(all))]
	if d.random.IntN(3) == 0 && d.kills < mostDead {
		return d.kill(a)
	}
	return d.stop(a)
}

func (d *director) kill(a *actor) error {
	o := &operation{Client: mostClients + a.process, Process: a.process, Verb: die, Result: ok, Call: now()}
	a.Kill()
	o.Return = now()
	<-a.silent
	delete(d.actors, a)
	if code := a.Cmd.ProcessState.ExitCode(); code == testproc.Failed {
		return fmt.Errorf("process %d had failed", a.process)
	}
	d.all = append(d.all, o)
	d.kills++
	d.begin(d.start())
	return nil
}

// stop stops a process for a while, and then has it go on.
func (d *director) stop(a *actor) error {
	longest := d.kind.patience
	if d.kind.lease {
		longest = 2 * lifetime
	}
	if err := a.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return nil // it has just ended
	}
	time.Sleep(rand.N(longest))
	a.Cmd.Process.Signal(syscall.SIGCONT)
	d.stops++
	return nil
}

// finish takes the lock once more, after whatever the dead have left behind.
func (d *director) finish() error {
	p := &party{kind: d.kind, process: last, clients: 1, name: d.scene.process}
	var err error
	if p.log, err = os.OpenFile(d.scene.log(last), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
		return err
	}
	defer p.log.Close()
	if err := d.scene.introduce(last); err != nil {
		return err
	}
	defer os.Remove(fmt.Sprintf("%s.%d", d.scene.names(), os.Getpid()))
	r := &runner{party: p, client: mostClients - 1, lock: d.kind.open(d.scene.lock()), random: d.random}
	return r.epilogue()
}

// epilogue makes sure that the lock can be had.
func (r *runner) epilogue() error {
	ctx, cancelNow := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancelNow()
	r.ctx = ctx
	how := try
	switch {
	case r.kind.lease:
		how = wait // for the end of a dead one's
	case r.kind.death == stays:
		if err := r.breakRest(); err != nil {
			return err
		}
	}
	var opts []filelock.AcquireOption
	if how == try {
		opts = append(opts, filelock.NonBlocking())
	}
	err := r.do(operation{Verb: acquire, How: how}, func(o *operation) error {
		hold, err := r.lock.Acquire(r.ctx, opts...)
		if err == nil {
			o.Token = hold.Token()
			r.holds = append(r.holds, hold)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(r.holds) == 0 {
		return fmt.Errorf("at last the lock could not be had")
	}
	return r.release()
}

// breakRest breaks what the dead have left behind.
func (r *runner) breakRest() error {
	s, err := r.lock.Inspect(r.ctx)
	if err != nil || !s.Held {
		return err
	}
	return r.breakHold()
}
