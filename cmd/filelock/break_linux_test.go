package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

// deadRecord returns a soft marker's record of a process that has ended.
func deadRecord(t testing.TB) []byte {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return recordOf(t, cmd.Process.Pid)
}

func recordOf(t testing.TB, pid int) []byte {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	self := procid.Self()
	return record.AppendMarker(nil, record.Marker{
		ID: procid.ID{PID: pid, Start: self.Start, Space: self.Space}, Host: host, Nonce: 7,
	})
}

func writeBytes(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

// A terminal is a pseudo-terminal, seen from the side of who sits at it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	keys   *os.File
	screen *bufio.Reader
	stdout bytes.Buffer
}

// atTerminal starts the program at a terminal, but for its standard output.
func atTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { ptmx.Close() })
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer tty.Close()
	term := &terminal{t: t, cmd: command(t, args...), keys: ptmx, screen: bufio.NewReader(ptmx)}
	term.cmd.Stdin, term.cmd.Stderr, term.cmd.Stdout = tty, tty, &term.stdout
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { term.cmd.Process.Kill() })
	return term
}

// asks waits for the question.
func (term *terminal) asks(want string) {
	term.t.Helper()
	got, err := term.screen.ReadString(']')
	if err != nil || !strings.Contains(got, want) {
		term.t.Fatalf("it asks %q, %v", got, err)
	}
}

// types answers, and returns the exit status.
func (term *terminal) types(keys string) int {
	term.t.Helper()
	if _, err := term.keys.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
	term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}

func TestBreakAsksOnATerminal(t *testing.T) {
	const endOfFile, interrupt = "\x04", "\x03"
	for _, c := range []struct {
		answer string
		status int
		broken bool
	}{
		{"y\n", 0, true}, {" YES \n", 0, true}, {"n\n", exitConflict, false}, {"\n", exitConflict, false},
		{"yesterday\n", exitConflict, false}, {strings.Repeat("y", 200) + "\n", exitConflict, false},
		{endOfFile, exitUsage, false}, {interrupt, -1, false},
	} {
		path := filepath.Join(t.TempDir(), "x.lock")
		dead := deadRecord(t)
		writeBytes(t, path, dead)
		term := atTerminal(t, "break", "--soft", path)
		term.asks("Break " + path + "? [y/N]")
		if status := term.types(c.answer); status != c.status {
			t.Errorf("%q: the status is %d, want %d", c.answer, status, c.status)
		}
		got, err := os.ReadFile(path)
		if c.broken != os.IsNotExist(err) || err == nil && !bytes.Equal(got, dead) {
			t.Errorf("%q: it is %q, %v", c.answer, got, err)
		}
		if says := term.stdout.String(); !strings.Contains(says, "locked by pid") || !strings.Contains(says, "its holder is dead") {
			t.Errorf("%q: it has shown %q", c.answer, says)
		}
	}
}

// TestLaw07BreakEndsTheHoldThatItShowed has somebody else take the lock, or just
// rewrite the marker, while the question is on the screen.
func TestLaw07BreakEndsTheHoldThatItShowed(t *testing.T) {
	for name, meanwhile := range map[string]func(path string){
		"a live successor": func(path string) {
			hold, err := filelock.NewSoft(path).TryAcquire(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := hold.Release(); err != nil {
					t.Errorf("the successor has lost its lock: %v", err)
				}
			})
		},
		"another dead one": func(path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			writeBytes(t, path, deadRecord(t))
		},
	} {
		for _, force := range [][]string{nil, {"--force"}} {
			path := filepath.Join(t.TempDir(), "x.lock")
			writeBytes(t, path, deadRecord(t))
			term := atTerminal(t, append([]string{"break", "--soft", path}, force...)...)
			term.asks("Break")
			meanwhile(path)
			if status := term.types("y\n"); status != exitConflict {
				t.Errorf("%s, %v: the status is %d", name, force, status)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("%s, %v: %v", name, force, err)
			}
		}
	}
}

// TestLaw08RenewedLeaseIsNotBroken has its holder wake up and renew it while the
// question is on the screen.
func TestLaw08RenewedLeaseIsNotBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	writeBytes(t, path, []byte(path+"|another.example|1|18446744073709551615"))
	if err := os.Chtimes(path, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	term := atTerminal(t, "break", "--lease=15s", path)
	term.asks("Break")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if status := term.types("y\n"); status != exitConflict || !strings.Contains(term.stdout.String(), "its lease has been over for ") {
		t.Errorf("the status is %d, and it has shown %q", status, &term.stdout)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

// TestLaw06BreakWantsForceOnDoubt for whatever does not prove that its holder is
// dead.
func TestLaw06BreakWantsForceOnDoubt(t *testing.T) {
	dead := deadRecord(t)
	for name, content := range map[string][]byte{
		"alive":        recordOf(t, os.Getpid()),
		"empty":        nil,
		"data":         []byte("somebody's data"),
		"huge":         bytes.Repeat([]byte("x"), 1<<20),
		"another host": []byte("1\nanother.example\n"),
		"cut off":      dead[:len(dead)-1],
	} {
		path := filepath.Join(t.TempDir(), "x.lock")
		for _, kind := range []string{"--soft", "--lease=15s", "--pid"} {
			if name == "cut off" && kind == "--pid" {
				continue // its first line is all of a PID lock
			}
			writeBytes(t, path, content)
			if err := os.Chtimes(path, longAgo, longAgo); err != nil {
				t.Fatal(err)
			}
			r := runProgram(t, "break", kind, "--yes", path)
			if got, err := os.ReadFile(path); r.status != exitConflict || err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, %s: %+v, %v", name, kind, r, err)
			}
			if r := runProgram(t, "break", kind, "--yes", "--force", path); r.status != 0 || !strings.HasSuffix(r.stdout, ": broken\n") {
				t.Errorf("%s, %s, by force: %+v", name, kind, r)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("%s, %s, by force: %v", name, kind, err)
			}
		}
	}
}

func TestBreakFollowsNothing(t *testing.T) {
	dir := t.TempDir()
	aim := filepath.Join(dir, "aim")
	writeBytes(t, aim, deadRecord(t))
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink(aim, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo} {
		for _, kind := range []string{"--soft", "--lease=15s", "--pid"} {
			if r := runProgram(t, "break", kind, "--yes", "--force", path); r.status != exitUsage {
				t.Errorf("%s %s: %+v", kind, path, r)
			}
		}
	}
	for _, path := range []string{link, fifo, aim} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestBreakCannotEndALockOfTheSystem, and says what would.
func TestBreakCannotEndALockOfTheSystem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	p := holding(t, path)
	for _, args := range [][]string{nil, {"--yes"}, {"--yes", "--force"}} {
		r := runProgram(t, append([]string{"break", path}, args...)...)
		if r.status != exitConflict || !strings.Contains(r.stdout, fmt.Sprintf("locked by pid %d (", p.PID())) ||
			!strings.Contains(r.stderr, fmt.Sprintf("kill %d", p.PID())) {
			t.Errorf("%v: %+v", args, r)
		}
	}
	p.Say("go on")
	p.Wait()
	if got := p.Cmd.ProcessState.ExitCode(); got != 3 {
		t.Errorf("the holder ends with %d", got)
	}
	if r := runProgram(t, "break", path); r != (result{0, path + ": free\n", ""}) {
		t.Errorf("%+v", r)
	}
}

// longAgo is when leases have ended that nobody has renewed since.
var longAgo = time.Now().Add(-time.Hour)
