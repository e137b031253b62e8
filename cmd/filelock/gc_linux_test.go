package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/leftover"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
)

// deadName returns a name as of a marker's unique file, of a process that has
// ended.
func deadName(pid int) string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%x.%d-%d", host, procid.Self().Space, pid, time.Now().UnixNano())
}

func init() {
	roles["leaving"] = leaving
	roles["clearing"] = clearing
}

// leaving is a process that again and again takes the lock, makes sure that it
// is alone, and leaves the lock as one that is killed would. Its arguments are
// the directory, the kind, how long to go on, and the number and the soft
// marker of a dead process.
func leaving(args []string) error {
	dir, k := args[0], kind{name: args[1]}
	d, err1 := time.ParseDuration(args[2])
	dead, err2 := strconv.Atoi(args[3])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	path := filepath.Join(dir, "x")
	file := path
	if k.name == "link" {
		file += ".lock"
	}
	inside := filepath.Join(dir, "inside")
	lock, n := k.open(path), 0
	for end := time.Now().Add(d); n < 3 || time.Now().Before(end); n++ { // however slow the machine is
		hold, err := lock.Acquire(context.Background(), filelock.WithPollInterval(100*time.Microsecond), filelock.WithTimeout(time.Minute))
		if err != nil {
			return err
		}
		f, err := os.OpenFile(inside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return fmt.Errorf("two have the lock: %w", err)
		}
		content := args[4]
		if k.name == "link" {
			content = deadName(dead)
		}
		own := filepath.Join(dir, "own", strconv.Itoa(os.Getpid())) // gc would find it
		if err := errors.Join(f.Close(), os.WriteFile(own, []byte(content), 0o666), os.Remove(inside), os.Rename(own, file)); err != nil {
			return err
		}
		if err := hold.Release(); !errors.Is(err, filelock.ErrLost) {
			return fmt.Errorf("the release of what is gone: %w", err)
		}
	}
	fmt.Println(n)
	return nil
}

// clearing is a process that breaks the lock, or collects in its directory,
// until it is told to stop.
func clearing(args []string) error {
	dir, what, k := args[0], args[1], kind{name: args[2]}
	quit := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(quit)
	}()
	n := 0
	var failed error
	walk := leftover.Walk{
		Failed: func(err error) { failed = errors.Join(failed, err) },
		Found: func(l *leftover.Leftover) {
			if l.Proof != leftover.Certain {
				return // a claim that is just being written
			}
			switch err := l.Remove(context.Background()); {
			case err == nil:
				n++
			case !errors.Is(err, leftover.ErrGone) && !errors.Is(err, leftover.ErrUsed):
				failed = errors.Join(failed, err)
			}
		},
	}
	path := filepath.Join(dir, "x")
	b := breaker{breakSettings: breakSettings{yes: true, kind: k}, path: path, lock: k.open(path)}
	for failed == nil {
		select {
		case <-quit:
			fmt.Println(n)
			return nil
		default:
		}
		if what == "gc" {
			failed = errors.Join(failed, walk.In(context.Background(), dir))
			continue
		}
		end, err := b.run(nullFile, nullFile)
		if end == "broken" && err == nil {
			n++
		}
		if err != nil && !errors.Is(err, errLeft) {
			failed = err
		}
	}
	return failed
}

var nullFile, _ = os.OpenFile(os.DevNull, os.O_RDWR, 0)

// TestLaw07LiveSuccessorIsNeverRemoved has contenders arrive all the time while
// what the dead leave is broken and collected.
func TestLaw07LiveSuccessorIsNeverRemoved(t *testing.T) {
	t.Parallel()
	duration := locktest.Seconds(t, 2).String()
	for _, name := range []string{"soft", "link"} {
		t.Run(name, func(t *testing.T) {
			dir, dead := t.TempDir(), deadRecord(t)
			pid, _, _ := strings.Cut(string(dead), "\n")
			if err := os.Mkdir(filepath.Join(dir, "own"), 0o777); err != nil {
				t.Fatal(err)
			}
			var clear, leave []*testproc.Proc
			for _, what := range []string{"gc", "gc", "break", "break"} {
				clear = append(clear, testproc.Start(t, "clearing", dir, what, name))
			}
			for range 4 {
				leave = append(leave, testproc.Start(t, "leaving", dir, name, duration, pid, string(dead)))
			}
			sum := func(procs []*testproc.Proc) (n int) {
				for _, p := range procs {
					m, err := strconv.Atoi(strings.TrimSpace(p.Rest()))
					if errWait := p.Wait(); err != nil || errWait != nil {
						t.Errorf("%v, %v", err, errWait)
					}
					n += m
				}
				return n
			}
			holds := sum(leave)
			for _, p := range clear {
				p.Say("stop")
			}
			removed := sum(clear)
			if holds < 10 || removed == 0 {
				t.Errorf("%d holds, %d removed", holds, removed)
			}
			t.Logf("%d holds, each left behind; %d removed by break and gc", holds, removed)
		})
	}
}

func init() {
	roles["held"] = func(args []string) error {
		k := kind{name: args[1]}
		if _, err := k.open(args[0]).Acquire(context.Background()); err != nil {
			return err
		}
		fmt.Println("ready")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n') // until it is killed
		return err
	}
}

// TestKilledHoldersAreCollected: who waits for the lock of one has it soon, and
// keeps it. Nobody but gc removes these markers, and gc is killed all the time;
// but not with directories: whoever is killed after it has emptied one leaves it
// to be judged by hand.
func TestKilledHoldersAreCollected(t *testing.T) {
	t.Parallel()
	kills := locktest.Kills(t, 40)
	for _, name := range []string{"link", "mkdir", "symlink"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x")
			k := kind{name: name}
			killed := testproc.Start(t, "clearing", dir, "gc", name)
			testproc.Start(t, "clearing", dir, "gc", name)
			for range kills {
				p := testproc.Start(t, "held", path, name)
				p.Expect("ready")
				p.Kill()
				if name != "mkdir" {
					killed.Kill()
					killed = testproc.Start(t, "clearing", dir, "gc", name)
				}
				hold, err := k.open(path).Acquire(context.Background(), filelock.WithTimeout(time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				if err := hold.Release(); err != nil {
					t.Fatalf("a live one's lock was taken: %v", err)
				}
			}
			t.Logf("%d holders killed", kills)
		})
	}
}

// TestGCLeavesWhatIsSomebodys: nothing of this is removed, by force or not, nor
// followed, and none of it keeps the program waiting.
func TestGCLeavesWhatIsSomebodys(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	dead := deadRecord(t)
	pid, _, _ := strings.Cut(string(dead), "\n")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	aim := filepath.Join(elsewhere, "aim")
	writeBytes(t, aim, dead)
	for name, content := range map[string][]byte{
		"live":                        recordOf(t, os.Getpid()),
		"live.0000000000000000.claim": recordOf(t, os.Getpid()),
		"half.0123456789abcdef.claim": dead[:3],
		"Cargo.lock":                  []byte("# data"),
		"empty":                       nil,
		".lock":                       nil,
		"number":                      []byte(pid + "\n"),
		"number.lock":                 []byte(pid + "\n"),
		"two-lines":                   []byte(pid + "\n" + host + "\n"),
		"remote":                      []byte("1\nanother.example\n1\n"),
		"data.claim":                  []byte("data"),
		"huge.lock":                   bytes.Repeat([]byte("x"), 1<<20),
		"huge.0123456789abcdef.claim": bytes.Repeat([]byte("1\n"), 1<<20),
		"orphan.lock.new":             []byte("no lock beside it"),
		"strict.lock":                 []byte("1\nfilelock-strict-v1\x00\n0\n"),
		"old|a|b|c":                   []byte("old|a|b|c"),
		"l":                           []byte(aim + "|host|1|2"),
		"table":                       []byte("other|host|1|2"),
		deadName(1 << 30)[1:]:         []byte(deadName(1 << 30)), // does not say its own name
	} {
		writeBytes(t, at(name), content)
		if err := os.Chtimes(at(name), longAgo, longAgo); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Symlink(aim, at("link")),
		os.Symlink(aim, at("link.lock")),
		os.Symlink(aim, at("link.0123456789abcdef.claim")),
		os.Symlink(aim, at("link.lock.new")),
		os.Symlink(elsewhere, at("directory")),
		os.Symlink(deadName(os.Getpid()), at("held.lock")),
		unix.Mkfifo(at("fifo.lock"), 0o666),
		unix.Mkfifo(at("fifo.lock.new"), 0o666),
		os.MkdirAll(at("full.lock/file"), 0o777),
		os.Mkdir(at("empty.lock"), 0o777),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	holder := holding(t, at("held-by-flock.lock"))
	before := names(t, dir)
	r := runProgram(t, "gc", "-r", "--remove", "--force", "--all-file-systems", "--json", dir)
	if r.status != 0 || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	if after := names(t, dir); after != before {
		t.Errorf("of\n%s\nthere is\n%s", before, after)
	}
	if _, err := os.Lstat(aim); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(r.stdout) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Proof != leftover.Doubtful || f.Removed || f.Why == "" || f.Age < 0 {
			t.Errorf("%s: %v", line, err)
		}
	}
	holder.Say("go on")
	holder.Wait()
}

// names returns what is in a directory and those below.
func names(t *testing.T, dir string) string {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		fmt.Fprintln(&all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestGCPrintsHostileNamesHarmlessly(t *testing.T) {
	dir := t.TempDir()
	name := "x\n\x1b[31m\xff.lock"
	writeBytes(t, filepath.Join(dir, name), nil)
	r := runProgram(t, "gc", dir)
	if r.status != 0 || strings.Count(r.stdout, "\n") != 1 || !strings.Contains(r.stdout, "x??[31m?.lock: lock file") {
		t.Errorf("%+v", r)
	}
}

func TestGCReportsWhatItMayNot(t *testing.T) {
	dir := t.TempDir()
	writeBytes(t, filepath.Join(dir, "x"), deadRecord(t))
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
		if op == fault.Unlink && strings.HasSuffix(path, "x") {
			return unix.EROFS
		}
		return nil
	}})()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if status := gc([]string{"--remove", dir}, out, nullFile); status != exitSystem {
		t.Errorf("the status is %d", status)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil || !strings.Contains(string(text), "left: ") {
		t.Errorf("%q, %v", text, err)
	}
}
