//go:build linux

package script

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/testproc"
)

// kills is how often each test kills a program.
const kills = 200

// TestCommandKeepsTheLockOfKilledFlock: the lock is the command's, however flock
// ends, and ends with it.
func TestCommandKeepsTheLockOfKilledFlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	probe := probe(t, path)
	for range kills {
		p := testproc.StartCommand(t, exec.Command(filepath.Join(bin, "flock"), path, "sh", "-c", "echo ready; read line; echo over"))
		p.Expect("ready")
		p.Cmd.Process.Kill()
		if _, err := p.Cmd.Process.Wait(); err != nil { // which leaves its input open
			t.Fatal(err)
		}
		if err := unix.Flock(probe, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			t.Fatalf("the command goes on, and the lock: %v", err)
		}
		p.Say("go on")
		p.Expect("over")
		mustGet(t, probe)
	}
}

// TestKilledFlockLeavesNothing kills flock at any moment: before it has the
// lock, when it starts the command, and after.
func TestKilledFlockLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	probe := probe(t, path)
	for range kills {
		p := testproc.StartCommand(t, exec.Command(filepath.Join(bin, "flock"), "-w", "60", path, "cat"))
		time.Sleep(rand.N(4 * time.Millisecond))
		p.Kill()
		mustGet(t, probe)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// probe opens the file at path.
func probe(t *testing.T, path string) (fd int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

// mustGet waits for a lock that is about to be free, and gives it back.
func mustGet(t *testing.T, fd int) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			t.Fatalf("the lock stays: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
}
