package strace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["witness"] = func(args []string) error {
		fmt.Println("witness")
		log, err := os.OpenFile(filepath.Join(args[0], "log.witness"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return err
		}
		return errors.Join(locktest.Scene{Dir: args[0]}.Count(log), log.Close())
	}
}

// bin holds the command, under both of its names, when it has been built.
var (
	bin   string
	build = sync.OnceValue(func() (err error) {
		if bin, err = os.MkdirTemp("", "filelock-strace"); err == nil {
			err = testproc.Build(bin)
		}
		return err
	})
)

// commands are the ways to run a command under a lock that it inherits.
var commands = map[string]struct {
	args []string
	kind locktest.Kind
}{
	"filelock run":          {[]string{"filelock", "run"}, flockKind},
	"filelock run --record": {[]string{"filelock", "run", "--record"}, recordKind},
	"flock":                 {[]string{"flock"}, flockKind},
	"flock --fcntl":         {[]string{"flock", "--fcntl"}, recordKind},
}

// straced returns a command that runs this test's program as a witness under the
// lock of a scene, with strace doing something to the calls that concern the lock
// file.
func straced(t *testing.T, s locktest.Scene, log string, options []string, args ...string) *exec.Cmd {
	t.Helper()
	must(t, build())
	self, err := os.Executable()
	must(t, err)
	all := []string{"-f", "-o", log, "-P", s.Lock()}
	for _, o := range options {
		all = append(all, "-e", o)
	}
	all = append(append(all, "--", filepath.Join(bin, args[0])), args[1:]...)
	cmd := exec.Command("strace", append(all, s.Lock(), self, s.Dir)...)
	cmd.Env = append(os.Environ(), testproc.Environment("witness")...)
	return cmd
}

var callOfLog = regexp.MustCompile(`(?m)^\d+ +(\w+)\(.*`)

// TestKilledCommandLeavesNoLockAndNobodyWithoutIt kills filelock ahead of each
// call that it makes to the lock file, while others count under the lock. What it
// runs counts too, so that is seen if it has no lock. The threads of the program
// are not bound to what they do, so the same number may be another call the next
// time: it is tried until each has been met.
func TestKilledCommandLeavesNoLockAndNobodyWithoutIt(t *testing.T) {
	needStrace(t)
	for name, c := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			crowd := subject{kind: c.kind}.gather(t)
			calls := runStraced(t, crowd.scene, dir, nil, c.args...)
			nth := map[string]int{}
			killed := map[string]bool{}
			kills, ran := 0, 0
			var logs strings.Builder
			for _, call := range calls {
				nth[call]++
				for range 3 {
					option := fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, nth[call])
					out, log := outcomeOf(t, crowd.scene, dir, []string{option}, c.args...)
					if strings.Contains(out, "two have the lock") {
						t.Errorf("%s: %s", option, out)
					}
					if strings.Contains(out, "witness") {
						ran++
					}
					if !strings.Contains(log, "killed by SIGKILL") {
						continue
					}
					kills++
					fmt.Fprintf(&logs, "%s\n%s", option, log)
					killed[lastCall(log)] = true
					break
				}
			}
			crowd.end(t)
			if err := (subject{kind: c.kind}).free(crowd.scene.Lock()); err != nil {
				t.Error(err)
			}
			t.Logf("%d kills at %d different places, of %d calls; the command ran %d times", kills, len(killed), len(calls), ran)
			if kills < 2 || len(killed) < 2 {
				t.Errorf("that is not much of a walk:\n%s", &logs)
			}
		})
	}
}

// lastCall tells the call that a log ends with from others. A number alone does not: a
// call that the runtime has interrupted is there twice.
func lastCall(log string) string {
	name, nth := "", map[string]int{}
	for _, m := range callOfLog.FindAllStringSubmatch(log, -1) {
		name = m[1]
		nth[name]++
	}
	return fmt.Sprint(name, nth[name])
}

// runStraced runs a command to its end, and returns the calls that concern the
// lock file.
func runStraced(t *testing.T, s locktest.Scene, dir string, options []string, args ...string) (calls []string) {
	t.Helper()
	out, log := outcomeOf(t, s, dir, options, args...)
	if trim(out) != "witness" {
		t.Fatalf("%q: %s", args, out)
	}
	for _, m := range callOfLog.FindAllStringSubmatch(log, -1) {
		calls = append(calls, m[1])
	}
	return calls
}

func outcomeOf(t *testing.T, s locktest.Scene, dir string, options []string, args ...string) (out, log string) {
	t.Helper()
	path := filepath.Join(dir, "trace")
	b, err := straced(t, s, path, options, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	l, err := os.ReadFile(path)
	must(t, err)
	return string(b), string(l)
}

// TestCommandThatFailsRunsNothing has calls fail that concern the lock file. What
// the lock is not held for is not run, and the status and the message say why.
// An interruption is not noticed.
func TestCommandThatFailsRunsNothing(t *testing.T) {
	needStrace(t)
	run, record, soft, flock := []string{"filelock", "run"}, []string{"filelock", "run", "--record"}, []string{"filelock", "run", "--soft"}, []string{"flock"}
	faults := []struct {
		args    []string
		fault   string
		status  int
		message string // a regular expression; empty: the command has run
	}{
		{run, "flock:error=EINTR:when=1..50", 0, ""},
		{run, "openat:error=EINTR:when=1..50", 0, ""},
		{run, "newfstatat:error=EINTR:when=1..50", 0, ""},
		{run, "fstat:error=EINTR:when=1..50", 0, ""},
		{run, "close:error=EINTR", 0, ""},
		{run, "flock:error=ENOLCK", 71, "acquire: .*no locks available"},
		{run, "flock:error=EIO", 71, "acquire: .*input/output error"},
		{run, "flock:error=ESTALE", 71, "acquire: .*stale"},
		{run, "openat:error=EMFILE", 71, "acquire: .*too many open files"},
		{run, "openat:error=ENOSPC", 71, "acquire: .*no space left"},
		{run, "newfstatat:error=ESTALE", 71, "acquire: .*stale"},
		{run, "newfstatat:error=EIO", 71, "acquire: .*input/output error"},
		{run, "fstat:error=EIO", 71, "acquire: .*input/output error"},
		{append(run, "-n"), "flock:error=EAGAIN", 1, "locked"},
		{append(run, "--on-conflict", "skip"), "flock:error=EAGAIN", 0, "locked"},
		{record, "fcntl:error=EINTR:when=1..50", 0, ""},
		{record, "fcntl:error=ENOLCK", 71, "acquire: .*no locks available"},
		{record, "fcntl:error=EIO", 71, "acquire: .*input/output error"},
		{soft, "linkat:error=EINTR:when=1..50", 0, ""},
		{soft, "linkat:error=EIO", 71, "acquire: .*input/output error"},
		{soft, "linkat:error=ENOSPC", 71, "acquire: .*no space left"},
		{soft, "newfstatat:error=EIO", 71, "acquire: .*input/output error"},
		{flock, "flock:error=EINTR:when=1..50", 0, ""},
		{flock, "openat:error=EINTR:when=1..50", 0, ""},
		{append(flock, "-w", "60"), "flock:error=EINTR:when=1..50", 0, ""},
		{flock, "flock:error=ENOLCK", 71, "No locks available"},
		{flock, "flock:error=EIO", 65, "Input/output error"},
		{flock, "flock:error=ESTALE", 65, "Stale file handle"},
		{flock, "openat:error=EMFILE", 71, "Too many open files"},
		{flock, "openat:error=ENOSPC", 73, "No space left on device"},
		{append(flock, "-n", "-E", "9"), "flock:error=EAGAIN", 9, ""},
	}
	t.Logf("%d faults", len(faults))
	for _, c := range faults {
		t.Run(strings.Join(c.args, " ")+" "+c.fault, func(t *testing.T) {
			t.Parallel()
			s := locktest.NewScene(t)
			cmd := straced(t, s, filepath.Join(t.TempDir(), "trace"), []string{"inject=" + c.fault}, c.args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			status, ran := cmd.ProcessState.ExitCode(), string(out) == "witness\n"
			switch {
			case status != c.status:
				t.Errorf("%q, %s: status %d, want %d: %s%v", c.args, c.fault, status, c.status, &stderr, err)
			case ran != (c.status == 0 && c.message == ""):
				t.Errorf("%q, %s: the command ran: %v", c.args, c.fault, ran)
			case !regexp.MustCompile(c.message).MatchString(stderr.String()) || (c.message == "" && stderr.Len() > 0):
				t.Errorf("%q, %s: %q", c.args, c.fault, &stderr)
			}
			if got := s.Value(t); got != map[bool]uint64{true: 1}[ran] {
				t.Errorf("%q, %s: counted %d", c.args, c.fault, got)
			}
		})
	}
}

// TestInterruptedCommandIsRefusedAllTheSame has somebody hold the lock while all
// that filelock tries is interrupted again and again.
func TestInterruptedCommandIsRefusedAllTheSame(t *testing.T) {
	needStrace(t)
	for name, c := range commands {
		s := locktest.NewScene(t)
		h, err := c.kind.New(s.Lock()).TryAcquire(context.Background(), filelock.Exclusive())
		must(t, err)
		storm := []string{"inject=flock,fcntl:error=EINTR:when=1..50"}
		cmd := straced(t, s, filepath.Join(t.TempDir(), "trace"), storm, append(c.args[:len(c.args):len(c.args)], "-n")...)
		out, _ := cmd.CombinedOutput()
		if status := cmd.ProcessState.ExitCode(); status != 1 || strings.Contains(string(out), "witness") || s.Value(t) != 0 {
			t.Errorf("%s: status %d: %s", name, status, out)
		}
		must(t, h.Release())
	}
}
