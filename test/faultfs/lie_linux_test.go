package faultfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

// mostMemory is what a process may come to need, in KiB.
const mostMemory = 1 << 19

// TestLaw24LiesOfAFileSystemHaveAnEnd has a process come to locks of all kinds, and
// look at them, where files are of another size, owner, mode and time with each look,
// and files, links and directories have no end.
func TestLaw24LiesOfAFileSystemHaveAnEnd(t *testing.T) {
	rounds := 5
	if locktest.Thorough() {
		rounds = 50
	}
	for _, k := range chosen() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 0)
			path := filepath.Join(b.dir, "x.lock")
			k.Elsewhere(t, path)
			p := startBeside(t, b, k.Name, path, backing(t))
			for _, op := range []Op{Read, Readlink, List, Getattr, ""} {
				b.fail(Fault{Op: op, Lie: true})
				for range rounds {
					tell(t, b, p, "come")
					comesBack(t, p)
					tell(t, b, p, "look")
				}
				b.heal()
			}
			if kib := memoryOf(t, p.PID()); kib > mostMemory {
				t.Errorf("it has needed %d KiB", kib)
			}
			t.Log(b.injected)
		})
	}
}

// memoryOf returns the most memory that a process has had, in KiB.
func memoryOf(t *testing.T, pid int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestCollectorOfADirectoryWithoutEnd comes to look at what is in it, and can be
// stopped.
func TestCollectorOfADirectoryWithoutEnd(t *testing.T) {
	b, bin := newBed(t, 0), t.TempDir()
	must(t, testproc.Build(bin))
	b.fail(Fault{Op: List, Lie: true}, Fault{Op: Lookup})
	p := testproc.StartCommand(t, exec.Command(filepath.Join(bin, "filelock"), "gc", "-r", b.dir))
	for end := time.Now().Add(within); b.look()[Lookup] < 1000; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it looks at nothing in the directory")
		}
	}
	if kib := memoryOf(t, p.PID()); kib > mostMemory {
		t.Errorf("it has needed %d KiB", kib)
	}
	must(t, p.Cmd.Process.Signal(syscall.SIGTERM))
	stuck := time.AfterFunc(within, func() { p.Cmd.Process.Kill() })
	p.Wait()
	if code := p.Cmd.ProcessState.ExitCode(); !stuck.Stop() || code != 128+int(syscall.SIGTERM) {
		t.Errorf("told to end, it ends with %d", code)
	}
}
