//go:build linux

package script

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// bin holds what scripts find in front of their PATH: filelock, and that as
// flock.
var bin string

func TestMain(m *testing.M) {
	keepToOurselves()
	verify.Take(unix.SIGHUP) // which nohup has ignored
	dir, remove := testproc.BuildForTests()
	bin = dir
	verify.Main(m, goleak.Cleanup(func(status int) {
		remove()
		os.Exit(status)
	}))
}

// keepToOurselves has scripts inherit no more than the standard descriptors,
// whatever this process has inherited.
func keepToOurselves() {
	open, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// TestFlockDoesAsFlock1 runs the scripts in flock against flock(1) and against
// filelock, and compares each call.
func TestFlockDoesAsFlock1(t *testing.T) {
	needFlock1(t)
	var theirs, ours transcript
	t.Run("theirs", func(t *testing.T) { run(t, "flock", &theirs, os.Getenv("PATH")) })
	t.Run("ours", func(t *testing.T) { run(t, "flock", &ours, bin+":"+os.Getenv("PATH")) })
	if t.Failed() {
		return
	}
	compared := 0
	for script, want := range theirs.calls {
		got := ours.calls[script]
		if len(got) != len(want) {
			t.Errorf("%s: %d calls, want %d", script, len(got), len(want))
			continue
		}
		for i := range want {
			compared++
			if got[i] != want[i] {
				t.Errorf("%s: filelock:\n%s\nflock(1):\n%s", script, got[i], want[i])
			}
		}
	}
	t.Logf("%d calls compared, in %d scripts", compared, len(theirs.calls))
}

// needFlock1 returns the path of util-linux's flock(1), and skips the test if it
// is not there.
func needFlock1(t *testing.T) string {
	t.Helper()
	version, err := exec.Command("flock", "--version").Output()
	if err != nil || !bytes.Contains(version, []byte("util-linux")) {
		t.Skipf("there is no flock(1) of util-linux to compare with: %v", err)
	}
	path, err := exec.LookPath("flock")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilelock(t *testing.T) {
	run(t, "filelock", &transcript{}, bin+":"+os.Getenv("PATH"))
}

// run runs the scripts in a directory.
func run(t *testing.T, dir string, calls *transcript, path string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", path)
			env.Setenv("LC_ALL", "C")
			env.Setenv("NOBODY", nobody())
			s := &state{env: env, calls: calls, procs: map[string]*proc{}, held: map[string]*os.File{}}
			env.Values[stateKey{}] = s
			env.Defer(s.end)
			return errors.Join(os.Chmod(env.WorkDir, 0o777), os.Chmod(filepath.Dir(env.WorkDir), 0o755))
		},
		Cmds: commands,
	})
}

// nobody returns what a shell puts in front of a command so that permissions
// apply to it.
func nobody() string {
	if os.Getuid() != 0 {
		return ""
	}
	return "setpriv --reuid=65534 --regid=65534 --clear-groups"
}

// A transcript holds what came of the calls of each script.
type transcript struct {
	mu    sync.Mutex // guards calls
	calls map[string][]string
}

func (t *transcript) add(script, call string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[string][]string{}
	}
	t.calls[script] = append(t.calls[script], call)
}

var (
	took   = regexp.MustCompile(`took \d+\.\d{6} seconds`)
	holder = regexp.MustCompile(`(?m)^flock: .*: locked by pid .*\n`) // which only we know
)

// describe returns a call in words, without what differs each time.
func (s *state) describe(args []string, status, stdout, stderr string) string {
	text := fmt.Sprintf("%q gives %s\nstdout: %q\nstderr: %q", args, status, took.ReplaceAllString(stdout, "took SOME seconds"), holder.ReplaceAllString(stderr, ""))
	return strings.ReplaceAll(text, s.env.WorkDir, "$WORK")
}
