package strace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// strace counts the calls of each thread by themselves, and a goroutine can be on
// any thread. But the main one never leaves the first thread if it is locked to
// it before main begins, and nobody else is ever on that thread. Without -f
// strace looks at that thread alone: so the nth call of a name is the same one in
// each run. What the runtime does by itself it does on other threads, but for the
// calls in ofRuntime; and a call that is interrupted, to preempt a goroutine,
// might count twice, so there is no preemption.
func init() {
	if os.Getenv(tracedVariable) != "" {
		runtime.LockOSThread()
		// strace, when it is killed, lets go of the process, stopped perhaps.
		unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0)
	}
}

const tracedVariable = "FILELOCK_TEST_TRACED"

// ofRuntime are calls that come and go with what other threads are at.
var ofRuntime = map[string]bool{"epoll_create1": true, "epoll_ctl": true, "eventfd2": true, "mmap": true, "write": true}

// The stages of a process: it marks where each begins.
const (
	acquiring = "acquiring"
	holding   = "holding"
	releasing = "releasing"
	over      = "over"
)

const marks = "/no/such/mark/"

// mark shows in a trace as a call of its own, which changes nothing.
func mark(stage string) { unix.Access(marks+stage, unix.F_OK) }

// A step is a system call.
type step struct {
	call  string
	nth   int // of this name, in its process
	stage string
	text  string // as strace shows it
}

func (s step) String() string { return fmt.Sprintf("%s, %s", s.stage, s.text) }

// changing are calls that change what others find, and maybe are those that do
// if they are called so.
var (
	changing = regexp.MustCompile(`^(pwrite64|linkat|unlinkat|renameat2?|mkdirat|symlinkat|flock|ftruncate|fchmod|fchown|utimensat|fsync)$`)
	maybe    = regexp.MustCompile(`O_CREAT|F_OFD_SETLK|` + marks)
)

// changes reports whether others find something else after the step than before.
func (s step) changes() bool { return changing.MatchString(s.call) || maybe.MatchString(s.text) }

// private are calls of which nobody else can tell when they take place.
var private = regexp.MustCompile(`^(read|getcwd|fstat|fcntl\(\d+, F_(GETFL|SETFL|DUPFD)|epoll)|"/proc/`)

// inject returns the option by which strace does something to the step.
func (s step) inject(what string) string {
	return fmt.Sprintf("inject=%s:%s:when=%d", s.call, what, s.nth)
}

func needStrace(t testing.TB) {
	t.Helper()
	out, err := exec.Command("strace", "-o", os.DevNull, "-e", "inject=getpid:error=EIO", "true").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("strace is not installed")
	}
	if err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
}

// A traced process is this test's program under strace.
type traced struct {
	*testproc.Proc
	log string
	pid int // of the process itself
}

// trace starts a process in a role, with strace doing to it what the options
// say. It returns when the process is ready.
func trace(t testing.TB, options []string, role string, args ...string) *traced {
	t.Helper()
	p := startTraced(t, options, role, args...)
	pid, err := strconv.Atoi(p.Line())
	must(t, err)
	p.pid = pid
	return p
}

func startTraced(t testing.TB, options []string, role string, args ...string) *traced {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	p := &traced{log: filepath.Join(t.TempDir(), "trace")}
	all := []string{"-o", p.log, "-e", "trace=%file,%desc", "-e", "signal=SIGSTOP"}
	for _, o := range options {
		all = append(all, "-e", o)
	}
	cmd := exec.Command("strace", append(append(all, "--", self), args...)...)
	cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	cmd.Env = append(cmd.Env, tracedVariable+"=1", "GODEBUG=asyncpreemptoff=1")
	p.Proc = testproc.StartCommand(t, cmd)
	return p
}

// goOn has a process continue that has said that it is ready, or was stopped.
func (p *traced) goOn(t testing.TB) {
	t.Helper()
	must(t, unix.Kill(p.pid, unix.SIGCONT))
}

// patience is how long anything may take.
const patience = time.Minute

// awaitStop returns when the process has stopped, and reports whether it has: it
// may have ended instead.
func (p *traced) awaitStop(t testing.TB) bool {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		log := p.text(t)
		switch {
		case strings.Contains(log, "--- stopped by SIGSTOP ---"):
			return true
		case strings.Contains(log, "+++ "):
			return false
		}
	}
	t.Fatal("the process neither stops nor ends")
	return false
}

func (p *traced) text(t testing.TB) string {
	t.Helper()
	log, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // strace may not have begun
		t.Fatal(err)
	}
	return string(log)
}

var (
	callLine = regexp.MustCompile(`^(\w+)\(`)
	markLine = regexp.MustCompile(`^faccessat2?\(AT_FDCWD, "` + marks + `(\w+)"`)
)

// steps returns the calls of the process from its first mark to its last.
func (p *traced) steps(t testing.TB) (steps []step) {
	t.Helper()
	count := map[string]int{}
	stage := ""
	for line := range strings.Lines(p.text(t)) {
		call := callLine.FindStringSubmatch(line)
		if call == nil {
			continue
		}
		name := call[1]
		count[name]++
		if m := markLine.FindStringSubmatch(line); m != nil {
			stage = m[1]
			if stage == acquiring {
				continue // nothing has happened yet
			}
		}
		if stage == "" || ofRuntime[name] {
			continue
		}
		steps = append(steps, step{name, count[name], stage, strings.TrimSpace(line)})
		if stage == over {
			break
		}
	}
	return steps
}

// same reports whether two runs came to the same call in the same way.
func same(a, b []step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].call != b[i].call || a[i].nth != b[i].nth || a[i].stage != b[i].stage {
			return false
		}
	}
	return true
}

var must = verify.NoError
