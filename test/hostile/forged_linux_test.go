package hostile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"golang.org/x/sys/unix"
)

func init() { roles["flocking"] = flocking }

// TestLaw06ForgedRecordsReadAsHeld has records at the places of locks that no honest
// process writes. None of them is broken but those of processes that are not there.
func TestLaw06ForgedRecordsReadAsHeld(t *testing.T) {
	here := os.Getpid()
	gone := []string{ // these numbers are others' by now, as it seems
		recordOf(1, "1", host()), recordOf(here, "1", host()), recordOf(here, strings.Repeat("9", 400), host()),
	}
	tried := 0
	for _, text := range forgeries(here) {
		if slices.Contains(gone, text) || strings.Contains(text, fmt.Sprint(deadPID)) {
			continue
		}
		for name, kind := range kinds {
			dir := t.TempDir()
			lock := kind(dir)
			file := filepath.Join(dir, "x.lock")
			switch name {
			case "flock", "record", "content", "everything":
				continue // where what is written does not matter
			case "pid":
				file = filepath.Join(dir, "x")
			}
			must(t, os.WriteFile(file, []byte(text), 0o666))
			before, err := describe(file)
			must(t, err)
			s, err := lock.Inspect(t.Context())
			if err != nil || !s.Held || s.Stale {
				t.Errorf("%s: %q reads as %+v, %v", name, text, s, err)
			}
			if _, err := lock.TryAcquire(t.Context()); !errors.Is(err, filelock.ErrLocked) || hasControl(err.Error()) {
				t.Errorf("%s: %q: %v", name, text, err)
			}
			if after, err := describe(file); err != nil || after != before {
				t.Errorf("%s: %q has been changed: %v", name, text, err)
			}
			tried++
		}
	}
	t.Logf("%d records", tried)
}

// TestLaw06DeadRecordIsBroken shows that a record of the same form is, if it is true.
func TestLaw06DeadRecordIsBroken(t *testing.T) {
	for name, text := range map[string]string{"soft": deadRecord(), "link": deadName(), "pid": fmt.Sprintln(deadPID)} {
		dir := t.TempDir()
		file := filepath.Join(dir, "x.lock")
		if name == "pid" {
			file = filepath.Join(dir, "x")
		}
		must(t, os.WriteFile(file, []byte(text), 0o666))
		hold, err := kinds[name](dir).TryAcquire(t.Context())
		must(t, err)
		must(t, hold.Release())
	}
}

// TestReaderOfAMarkerDelaysItsRelease and no more than that: who may read a marker
// can lock it, which keeps others from removing it.
func TestReaderOfAMarkerDelaysItsRelease(t *testing.T) {
	for _, name := range []string{"soft", "link", "mkdir", "pid", "lease"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lock := kinds[name](dir)
			hold, err := lock.TryAcquire(t.Context())
			must(t, err)
			file := filepath.Join(dir, "x.lock")
			if name == "pid" {
				file = filepath.Join(dir, "x")
			}
			p := testproc.Start(t, "flocking", file)
			p.Expect("locked")
			began := time.Now()
			if err := hold.Release(); err == nil {
				t.Error("it has been removed while somebody else had it locked")
			}
			if took := time.Since(began); took > within {
				t.Errorf("that was found out after %s", took)
			}
			p.Kill()
			if err := hold.Release(); err != nil && !errors.Is(err, filelock.ErrLost) { // a lease that could not be renewed
				t.Error(err)
			}
			wantFree(t, lock)
		})
	}
}

func wantFree(t *testing.T, lock locktest.Lock) {
	t.Helper()
	hold, err := lock.Acquire(t.Context(), filelock.WithTimeout(within))
	must(t, err)
	must(t, hold.Release())
}

// flocking is a process that has a file locked by flock(2), open for reading alone.
func flocking(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}
