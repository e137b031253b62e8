package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
)

// kindOptions are those by which the command is told the kind of a lock.
var kindOptions = []string{"", "--record", "--soft", "--lease=1s", "--link", "--mkdir", "--symlink", "--pid"}

// calls returns what the command is told to do in a directory, but for flock: that
// is flock(1), which follows links and waits for named pipes.
func calls(dir string) (all [][]string) {
	for _, kind := range kindOptions {
		file := filepath.Join(dir, "x.lock")
		if slices.Contains([]string{"--link", "--mkdir", "--symlink", "--pid"}, kind) {
			file = filepath.Join(dir, "x")
		}
		with := func(args ...string) {
			if kind != "" {
				args = slices.Insert(args, 1, kind)
			}
			all = append(all, append(args, file))
		}
		with("status")
		with("status", "--json")
		with("wait", "-w", "0.02")
		with("watch", "--json")
		with("watch")
		with("break", "-y")
		with("break", "-y", "--force")
		for _, run := range [][]string{{"run", "-w", "0.02"}, {"run", "-n", "--json"}} {
			with(run...)
			all[len(all)-1] = append(all[len(all)-1], "true")
		}
	}
	return append(all,
		[]string{"run", "-n", "--content={pid} {command}", filepath.Join(dir, "x.lock"), "true"},
		[]string{"list", dir}, []string{"list", "--json"}, []string{"probe", dir}, []string{"probe", "--json", dir},
		[]string{"gc", "-r", dir}, []string{"gc", "-r", "--json", dir}, []string{"gc", "-r", "-y", dir}, []string{"gc", "-r", "-y", "--force", dir},
	)
}

// statuses are those that the command may end with, all of which say something.
var statuses = []int{0, 1, 64, 69, 71, 126, 127, 128 + int(syscall.SIGINT)}

// call runs the command, and fails the test if it does not end, crashes, takes too
// much, or prints what a terminal would obey.
func (p place) call(t *testing.T, uid uint32, args ...string) (status int, said string) {
	t.Helper()
	var out bytes.Buffer
	cmd := p.command(t, uid, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	if args[0] == "watch" { // until it is told to end
		time.AfterFunc(20*time.Millisecond, func() { cmd.Process.Signal(os.Interrupt) })
	}
	stuck := time.AfterFunc(2*within, func() { cmd.Process.Signal(syscall.SIGQUIT) })
	err := cmd.Wait()
	stuck.Stop()
	status, said = cmd.ProcessState.ExitCode(), out.String()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	early := args[0] == "watch" && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGINT // before it could catch that
	if !slices.Contains(statuses, status) && !early || strings.Contains(said, "goroutine ") {
		t.Errorf("%q: %v\n%q", args, cmd.ProcessState, said)
	}
	if hasControl(said) {
		t.Errorf("%q prints what terminals obey: %q", args, said)
	}
	if usage := cmd.ProcessState.SysUsage().(*syscall.Rusage); usage.Maxrss > mostMemory {
		t.Errorf("%q takes %d KiB", args, usage.Maxrss)
	}
	return status, said
}

// TestLaw24VerbsAmongTraps has the command used where a stranger lays traps.
func TestLaw24VerbsAmongTraps(t *testing.T) {
	for meeting, mode := range meetings {
		for user, uid := range users {
			t.Run(user+", "+meeting, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, mode)
				p.furnish(t)
				before := p.snapshot(t)
				s := seed(t)
				random := rand.New(rand.NewPCG(s, 3))
				_, leave := p.settle(t, s)
				ctx, cancel := context.WithTimeout(t.Context(), locktest.Seconds(t, 1))
				defer cancel()
				all, ends := calls(p.dir), map[string]int{}
				if meeting == "of a group" { // its members can lead a probe elsewhere
					all = slices.DeleteFunc(all, func(args []string) bool { return args[0] == "probe" })
				}
				for ctx.Err() == nil {
					args := all[random.IntN(len(all))]
					status, _ := p.call(t, uid, args...)
					ends[fmt.Sprint(args[0], " ", status)]++
				}
				laid, _ := leave() // what locks make may be read by those whom the umask of this test lets
				p.unharmed(t, before)
				t.Logf("%d traps, %v", laid, ends)
			})
		}
	}
}
