package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// program is the command filelock.
var program string

var roles = map[string]testproc.Role{
	"load": loading,
	"once": func(args []string) error { // a command that is run under a lock
		notes, err := locktest.Scene{Dir: args[0]}.Log("command")
		if err != nil {
			return err
		}
		return errors.Join(locktest.Scene{Dir: args[0]}.Count(notes), notes.Close())
	},
}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	dir, remove := testproc.BuildForTests()
	program = filepath.Join(dir, "filelock")
	verify.Main(m, goleak.Cleanup(func(status int) {
		remove()
		os.Exit(status)
	}))
}

const (
	survivors = 3
	victims   = 4
	most      = 10 * time.Second // of a round
)

// A soak is the whole: what is done to the processes, and what is found of them.
type soak struct {
	dir        string
	rand       *rand.Rand
	survivors  []*testproc.Proc
	footprints [survivors][]footprint
	victims    [victims]*testproc.Proc
	commands   []*testproc.Proc
	counts     map[string]uint64 // of all rounds, by place

	kills, inRound, stops, runs, litter int
}

// TestAllKindsForLong has a number of rounds, with a look at all there is after
// each.
func TestAllKindsForLong(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("FILELOCK_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("FILELOCK_SEED=%d", seed)
	s := &soak{dir: t.TempDir(), rand: rand.New(rand.NewPCG(seed, 0)), counts: map[string]uint64{}}
	for _, k := range kinds {
		p := k.in(s.dir)
		must(t, os.Mkdir(p.scene.Dir, 0o777))
		p.scene.Reset(t)
	}
	for i := range survivors {
		s.survivors = append(s.survivors, testproc.Start(t, "load", s.dir, fmt.Sprint("survivor", i), fmt.Sprint(s.rand.Uint64())))
	}
	length := locktest.Seconds(t, 3)
	began, round := time.Now(), 0
	for ; round < 3 || time.Since(began) < length; round++ {
		name := fmt.Sprint("round", round)
		if !t.Run(name, func(t *testing.T) { s.round(t, min(length/3, most)) }) {
			break
		}
		if round%6 == 5 {
			t.Logf("after %v: %d kills, %d stops, %d commands, %v", time.Since(began).Round(time.Second), s.kills, s.stops, s.runs, s.last())
		}
	}
	for i, p := range s.survivors {
		checkFlat(t, fmt.Sprint("survivor", i), s.footprints[i])
		if err := p.Wait(); err != nil {
			t.Errorf("survivor %d: %v", i, err)
		}
	}
	for _, k := range kinds {
		if s.counts[k.name] == 0 {
			t.Errorf("%s: nobody has ever counted", k.name)
		}
	}
	t.Logf("%d rounds in %v: %d kills, %d stops, %d commands, %d files of the dead that gc cannot judge; counts: %v",
		round, time.Since(began).Round(time.Second), s.kills, s.stops, s.runs, s.litter, s.counts)
}

var must = verify.NoError

func (s *soak) last() (all []footprint) {
	for _, f := range s.footprints {
		all = append(all, f[len(f)-1])
	}
	return all
}

// round has everybody work for a time, and looks at what is left.
func (s *soak) round(t *testing.T, length time.Duration) {
	s.inRound, s.commands = 0, nil
	for _, p := range s.survivors {
		p.Say("go")
		p.Expect("working")
	}
	for i := range s.victims {
		s.start(t, i)
	}
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(s.upTo(30 * time.Millisecond)) {
		s.disturb(t)
	}
	for i := range s.victims {
		s.kill(t, i)
	}
	for _, p := range s.commands {
		p.Rest() // of the command too
	}
	for i, p := range s.survivors {
		p.Say("stop")
		var f footprint
		must(t, json.Unmarshal([]byte(p.Line()), &f))
		s.footprints[i] = append(s.footprints[i], f)
	}
	for _, k := range kinds {
		p := k.in(s.dir)
		s.counts[p.name] += p.scene.Value(t)
		p.scene.Check(t, s.inRound)
		p.scene.Reset(t)
		s.collect(t, p)
	}
}

func (s *soak) upTo(d time.Duration) time.Duration { return time.Duration(s.rand.Int64N(int64(d))) }

func (s *soak) start(t *testing.T, i int) {
	s.victims[i] = testproc.Start(t, "load", s.dir, fmt.Sprint("victim", i), fmt.Sprint(s.rand.Uint64()))
	s.victims[i].Say("go")
}

func (s *soak) kill(t *testing.T, i int) {
	s.kills++
	s.inRound++
	s.victims[i].Kill()
	if s.victims[i].Cmd.ProcessState.ExitCode() == testproc.Failed {
		t.Errorf("victim %d had failed", i)
	}
}

// disturb does something to one of the processes.
func (s *soak) disturb(t *testing.T) {
	i := s.rand.IntN(victims)
	switch what := s.rand.IntN(20); {
	case what < 8:
		s.kill(t, i)
		s.start(t, i)
	case what < 12:
		s.stop(t, s.victims[i], s.upTo(50*time.Millisecond))
	case what < 15:
		s.stop(t, s.survivors[i%survivors], s.upTo(50*time.Millisecond))
	case what == 15 && s.rand.IntN(4) == 0: // for longer than a lease
		all := append(s.survivors, s.victims[:]...)
		s.stop(t, all[s.rand.IntN(len(all))], 2*short.Lifetime)
	default:
		s.command(t)
	}
}

func (s *soak) stop(t *testing.T, p *testproc.Proc, d time.Duration) {
	s.stops++
	must(t, p.Cmd.Process.Signal(unix.SIGSTOP))
	time.Sleep(d)
	must(t, p.Cmd.Process.Signal(unix.SIGCONT))
}

// command runs a command under a lock, and perhaps kills filelock: the command
// keeps the lock.
func (s *soak) command(t *testing.T) {
	s.runs++
	p := kinds[s.rand.IntN(2)].in(s.dir)
	args := []string{"run", "--quiet", "--timeout", "1"}
	if p.name == "record" {
		args = append(args, "--record")
	}
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(program, append(args, p.scene.Lock(), self, p.scene.Dir)...)
	cmd.Env = append(os.Environ(), testproc.Environment("once")...)
	proc := testproc.StartCommand(t, cmd)
	s.commands = append(s.commands, proc)
	if s.rand.IntN(3) == 0 {
		time.Sleep(s.upTo(10 * time.Millisecond))
		s.inRound++
		proc.Kill()
		return
	}
	if err := proc.Wait(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("filelock run: %v", err)
	}
}

// collect removes what the dead have left, and makes sure that there is nothing
// else.
func (s *soak) collect(t *testing.T, p *place) {
	if p.lock != nil {
		s.breakNameless(t, p)
	}
	args := []string{"gc", "--remove", p.scene.Dir}
	if p.ends {
		s.age(t, p)
		args = []string{"gc", "--remove", "--force", p.scene.Dir}
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%s: gc: %v\n%s", p.name, err, out)
	}
	entries, err := os.ReadDir(p.scene.Dir)
	must(t, err)
	dead := 0
	for _, e := range entries {
		if name := e.Name(); !belongs(name) {
			dead++
			t.Logf("%s: %s is left behind", p.name, name)
			must(t, os.Remove(filepath.Join(p.scene.Dir, name)))
		}
	}
	if dead > s.inRound {
		t.Errorf("%s: %d files are left behind after %d kills", p.name, dead, s.inRound)
	}
	s.litter += dead
}

// belongs reports whether a file is meant to stay.
func belongs(name string) bool {
	switch name {
	case "counter", "page", "fence", "x.lock", "x.lock.token", "page.lock":
		return true
	}
	return strings.HasPrefix(name, "log.")
}

// breakNameless breaks the lock of a place if it is held: now that all who work
// there are dead or do nothing, that is by a process that was killed before it
// had said who it is, or whose number is another's by now.
func (s *soak) breakNameless(t *testing.T, p *place) {
	l := p.lock(p.scene.Lock())
	state, err := l.Inspect(t.Context())
	must(t, err)
	if !state.Held || p.ends {
		return
	}
	err = l.Break(t.Context(), state)
	if errors.Is(err, filelock.ErrUnsupported) {
		t.Errorf("%s: it is held by %v, and there is nobody", p.name, state.Holders)
		return
	}
	must(t, err)
}

// age has the leases of the dead be over.
func (s *soak) age(t *testing.T, p *place) {
	long := time.Now().Add(-time.Hour)
	files, err := filepath.Glob(p.scene.Lock() + "*")
	must(t, err)
	for _, name := range files {
		must(t, os.Chtimes(name, long, long))
	}
}
