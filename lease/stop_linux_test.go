package lease_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

func init() { roles["holding"] = holding }

// stopped is what the tests of stopped processes use.
var stopped = lease.Config{Lifetime: time.Second, Slop: 200 * time.Millisecond, Fencing: true}

// holding is a process that holds the lock at a path, and says what it knows of
// that when it is asked. With a second argument its renewals fail.
func holding(args []string) error {
	h, err := lease.New(args[0], stopped).Acquire(bg)
	if err != nil {
		return err
	}
	if len(args) > 1 {
		fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Times {
				return syscall.EIO
			}
			return nil
		}})
	}
	fmt.Println(h.Token())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "held?":
			fmt.Println(h.Context().Err() == nil)
		case "lost?":
			<-h.Context().Done()
			fmt.Println(time.Now().UnixNano(), context.Cause(h.Context()))
		case "release":
			fmt.Println(h.Release())
		}
	}
	return nil
}

func number(t *testing.T, line string) int64 {
	t.Helper()
	first, _, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	must(t, err)
	return n
}

// TestLaw13HolderIsToldBeforeAnotherHasTheLock has the renewals of a process fail.
func TestLaw13HolderIsToldBeforeAnotherHasTheLock(t *testing.T) {
	path := lockPath(t)
	p := testproc.Start(t, "holding", path, "fail")
	first := number(t, p.Line())
	p.Say("lost?")
	h := acquire(t, lease.New(path, stopped))
	got := time.Now().UnixNano()
	line := p.Line()
	if lost := number(t, line); lost >= got || !strings.Contains(line, "ran out") || !strings.Contains(line, "input/output") {
		t.Errorf("at %d it is another's, %d ns later: %s", got, lost-got, line)
	}
	if h.Token() != uint64(first)+1 {
		t.Errorf("the tokens are %d and %d", first, h.Token())
	}
	p.Say("release")
	if line := p.Line(); !strings.Contains(line, "lost") {
		t.Errorf("release: %s", line)
	}
	must(t, h.Context().Err())
	must(t, h.Release())
}

// TestLaw13StoppedHolderIsToldWhenItWakes stops a process for longer than its
// lease.
func TestLaw13StoppedHolderIsToldWhenItWakes(t *testing.T) {
	path := lockPath(t)
	p := testproc.Start(t, "holding", path)
	first := number(t, p.Line())
	stop(t, p)
	must(t, p.Cmd.Process.Signal(syscall.SIGCONT)) // for less, which is nothing to it
	p.Say("held?")
	p.Expect("true")

	stop(t, p)
	p.Say("lost?")
	l := lease.New(path, stopped)
	h := acquire(t, l)
	var fence lease.Fence
	must(t, fence.Check(h.Token()))
	woken := time.Now()
	must(t, p.Cmd.Process.Signal(syscall.SIGCONT))
	line := p.Line()
	want(t, fence.Check(uint64(first)), filelock.ErrLost)
	if !strings.Contains(line, "lost") {
		t.Error(line)
	}
	t.Logf("told %v after it was woken", time.Duration(number(t, line)-woken.UnixNano()))
	p.Say("release")
	if line := p.Line(); !strings.Contains(line, "lost") {
		t.Errorf("release: %s", line)
	}
	must(t, l.Refresh(h.Context(), 0)) // nobody has touched ours
	must(t, h.Release())
	if left := files(t, path); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
}

// stop returns when the process has stopped.
func stop(t *testing.T, p *testproc.Proc) {
	t.Helper()
	must(t, p.Cmd.Process.Signal(syscall.SIGSTOP))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		must(t, err)
		if strings.Contains(string(b), ") T ") {
			return
		}
	}
	t.Fatal("it does not stop")
}
