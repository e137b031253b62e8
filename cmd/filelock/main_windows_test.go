package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
)

// kindsHere are the options of the kinds of locks that exist on Windows.
var kindsHere = []string{"", "--soft", "--lease=1m", "--link", "--mkdir", "--pid"}

// with returns the arguments of a verb for a kind.
func with(verb, kind string, rest ...string) []string {
	args := []string{verb}
	if kind != "" {
		args = append(args, kind)
	}
	return append(args, rest...)
}

// heldUntil has a process take a lock, and run a command that ends when the lock
// is released that it returns. It also returns the arguments of a single attempt.
func heldUntil(t *testing.T, kind, path string) (holder *testproc.Proc, end *filelock.Hold, attempt []string) {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "gate")
	end, err := filelock.NewSoft(gate).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Release() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	holder = testproc.StartCommand(t, command(t, with("run", kind, path, self, "wait", "-w", "60", "--soft", gate)...))
	attempt = with("run", kind, append([]string{"-n", path}, exits(0)...)...)
	for limit := time.Now().Add(30 * time.Second); ; {
		r := runProgram(t, attempt...)
		if r.status == exitConflict {
			return holder, end, attempt
		}
		if r.status != 0 || time.Now().After(limit) {
			t.Fatalf("while it is to be held: %+v", r)
		}
	}
}

// TestHolderIsSeenByAllVerbs, of all kinds, and is in nobody's way when it has
// ended.
func TestHolderIsSeenByAllVerbs(t *testing.T) {
	for _, kind := range kindsHere {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			holder, end, attempt := heldUntil(t, kind, path)
			status := runProgram(t, with("status", kind, "--json", path)...)
			var said report
			err := json.Unmarshal([]byte(strings.TrimSpace(status.stdout)), &said)
			switch {
			case kind == "": // the system does not say who has it
				if status.status == 0 {
					t.Errorf("a lock that is held is free: %+v", status)
				}
			case err != nil || said.State != "held" || len(said.Holders) != 1 || said.Holders[0].PID == 0:
				t.Errorf("%+v, %v", status, err)
			}
			if err := end.Release(); err != nil {
				t.Error(err)
			}
			if err := holder.Wait(); err != nil {
				t.Errorf("the holder: %v", err)
			}
			if r := runProgram(t, attempt...); r.status != 0 {
				t.Errorf("the lock stays taken: %+v", r)
			}
		})
	}
}
