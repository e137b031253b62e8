//go:build unix || windows

package lockedfile_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() {
	roles["counting"] = counting
	roles["writing"] = writing
	roles["crashing"] = crashing
}

func way(name string) []filelock.FileOption { return ways[name] }

func increment(old []byte) ([]byte, error) {
	n, err := strconv.Atoi(strings.TrimSpace(string(old)))
	if len(old) == 0 {
		n, err = 0, nil
	}
	return fmt.Append(nil, n+1), err
}

// counting is a process that adds to the number in a file. Its arguments are
// what is locked, the path and how often.
func counting(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	for range n {
		if err := lockedfile.Transform(bg, args[1], increment, way(args[0])...); err != nil {
			return err
		}
	}
	fmt.Println("done")
	return nil
}

// TestTransformLosesNoCount has several processes, and goroutines in each of
// which this one has some, add to one number.
func TestTransformLosesNoCount(t *testing.T) {
	const processes, goroutines, each = 3, 3, 50
	for name := range ways {
		t.Run(name, func(t *testing.T) {
			path := dataPath(t)
			var procs []*testproc.Proc
			for range processes {
				procs = append(procs, testproc.Start(t, "counting", name, path, strconv.Itoa(each)))
			}
			done := make(chan error)
			for range goroutines {
				go func() {
					var errs []error
					for range each {
						errs = append(errs, lockedfile.Transform(bg, path, increment, way(name)...))
					}
					done <- errors.Join(errs...)
				}()
			}
			for range goroutines {
				must(t, <-done)
			}
			for _, p := range procs {
				p.Expect("done")
			}
			wantContent(t, path, strconv.Itoa((processes+goroutines)*each))
		})
	}
}

// pattern is a content that shows whether it is whole: a letter, repeated as
// often as its first line says.
func pattern(i int) string {
	n := 1 + i*7919%200_000
	return fmt.Sprintf("%d\n%s", n, strings.Repeat(string(rune('a'+i%26)), n))
}

func isWhole(content string) bool {
	first, rest, ok := strings.Cut(content, "\n")
	n, err := strconv.Atoi(first)
	return ok && err == nil && len(rest) == n && strings.Trim(rest, rest[:1]) == ""
}

// writing is a process that writes patterns to the file at its argument, until
// it is killed.
func writing(args []string) error {
	fmt.Println("ready")
	for i := rand.IntN(1000); ; i++ {
		var err error
		if i%2 == 0 {
			err = lockedfile.Write(bg, args[0], strings.NewReader(pattern(i)), 0o666)
		} else {
			err = lockedfile.Transform(bg, args[0], func(old []byte) ([]byte, error) {
				if !isWhole(string(old)) {
					return nil, errors.New("half of a content")
				}
				return []byte(pattern(i)), nil
			})
		}
		if err != nil {
			return err
		}
	}
}

// TestReadersNeverSeeHalfOfWhatKilledWritersWrite reads with the lock and
// without it while writers are killed at random moments.
func TestReadersNeverSeeHalfOfWhatKilledWritersWrite(t *testing.T) {
	const processes = 3
	path := dataPath(t)
	write(t, path, pattern(0))
	start := func() *testproc.Proc {
		p := testproc.Start(t, "writing", path)
		p.Expect("ready")
		return p
	}
	procs := make([]*testproc.Proc, processes)
	for i := range procs {
		procs[i] = start()
	}
	reads, leftovers, kills := 0, 0, locktest.Kills(t, 100)
	for round := range kills {
		for end := time.Now().Add(time.Duration(rand.IntN(10_000)) * time.Microsecond); time.Now().Before(end); reads++ {
			if runtime.GOOS == "windows" {
				continue // what somebody reads cannot be replaced there
			}
			if got := content(t, path); !isWhole(got) {
				t.Fatalf("round %d: without the lock half of a content is read: %d bytes", round, len(got))
			}
		}
		if _, err := os.Lstat(path + ".lock.new"); err == nil {
			leftovers++
		}
		i := rand.IntN(processes)
		procs[i].Kill()
		if code := procs[i].Cmd.ProcessState.ExitCode(); code == testproc.Failed {
			t.Fatalf("round %d: a writer had failed", round)
		}
		ctx, cancel := context.WithTimeout(bg, 30*time.Second)
		b, err := lockedfile.Read(ctx, path)
		cancel()
		if err != nil || !isWhole(string(b)) {
			t.Fatalf("round %d: half of a content is read: %d bytes, %v", round, len(b), err)
		}
		reads++
		procs[i] = start()
	}
	for _, p := range procs {
		p.Kill()
		if p.Cmd.ProcessState.ExitCode() == testproc.Failed {
			t.Error("a writer had failed")
		}
	}
	must(t, lockedfile.Write(bg, path, strings.NewReader("last"), 0o666))
	wantContent(t, path, "last")
	wantFiles(t, path, "data", "data.lock")
	t.Logf("%d kills, %d reads, a temporary file was seen %d times", kills, reads, leftovers)
}

// changes are the ways to change a file that holds "old".
var changes = map[string]func(path string) error{
	"Write": func(path string) error {
		return lockedfile.Write(bg, path, strings.NewReader("new content"), 0o666)
	},
	"Transform": func(path string) error {
		return lockedfile.Transform(bg, path, func(old []byte) ([]byte, error) { return []byte("new content"), nil })
	},
}

// crashing is a process that ends ahead of one of its file operations as if it
// were killed. Its arguments are the change, the path and the number of the
// operation.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	fault.InstallKill(n)
	if err := changes[args[0]](args[1]); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestCrashAheadOfEveryOperationLeavesOldOrNew walks through the ways to
// change a file, operation by operation.
func TestCrashAheadOfEveryOperationLeavesOldOrNew(t *testing.T) {
	for name, change := range changes {
		for _, old := range []string{"", "old"} {
			seen := map[string]int{}
			for n := 1; ; n++ {
				path := filepath.Join(t.TempDir(), "data")
				if old != "" {
					write(t, path, old)
				}
				p := testproc.Start(t, "crashing", name, path, strconv.Itoa(n))
				out := p.Rest()
				p.Wait()
				b, err := os.ReadFile(path)
				if got := string(b); got != "new content" && (got != old || (err == nil) != (old != "")) {
					t.Fatalf("%s: after a crash ahead of operation %d: %q, %v", name, n, b, err)
				}
				if _, err := os.Lstat(path + ".lock.new"); err == nil {
					seen["with a temporary file"]++
				}
				seen[string(b)]++
				must(t, change(path))
				wantContent(t, path, "new content")
				wantFiles(t, path, "data", "data.lock")
				if out == "done\n" {
					t.Logf("%s over %q: %d crashes, left: %v", name, old, n-1, seen)
					break
				}
			}
			if seen[old] == 0 || seen["new content"] == 0 || seen["with a temporary file"] == 0 {
				t.Errorf("%s over %q: not all was seen: %v", name, old, seen)
			}
		}
	}
}
