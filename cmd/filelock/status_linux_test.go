package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/testproc"
)

// parsed reads the objects that a verb has printed, a line each.
func parsed[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// write makes a file.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStatusTellsTheKind has a lock of each kind held, and does not say which.
func TestStatusTellsTheKind(t *testing.T) {
	for _, c := range []struct{ kind, file string }{
		{"flock", "x"}, {"record", "x"}, {"soft", "x"}, {"lease", "x"},
		{"link", "x"}, {"mkdir", "x"}, {"symlink", "x"},
		{"flock", "x.lock"}, {"record", "x.lock"}, {"soft", "x.lock"}, {"lease", "x.lock"},
	} {
		dir := t.TempDir()
		asked, file := filepath.Join(dir, "x"), filepath.Join(dir, c.file)
		args := map[string][]string{"flock": {file}, "lease": {"--lease=1m", file}}[c.kind]
		if args == nil {
			args = []string{"--" + c.kind, file}
		}
		p := holding(t, args...)
		r := runProgram(t, "status", "--json", asked)
		found := parsed[report](t, r.stdout)
		if r.status != exitConflict || r.stderr != "" || len(found) != 1 {
			t.Errorf("%v: %+v", args, r)
			continue
		}
		got := found[0]
		if got.Kind != c.kind || got.Path != file || got.State != "held" || got.Mode != "exclusive" || got.Available {
			t.Errorf("%v: %+v", args, got)
		}
		if c.kind == "record" { // of the open file, which the command has inherited
			got.Holders = got.Holders[:1]
		}
		if len(got.Holders) != 1 || got.Holders[0].PID != p.PID() || !strings.Contains(got.Holders[0].Command, "run") {
			t.Errorf("%v: held by %+v, want pid %d", args, got.Holders, p.PID())
		}
		p.Say("go on")
		p.Wait()
		if r := runProgram(t, "status", asked); r != (result{stdout: asked + ": free\n"}) {
			t.Errorf("%v, released: %+v", args, r)
		}
	}
}

// TestStatusTakesNoFileForALock: what a file holds makes it no lock of its own.
func TestStatusTakesNoFileForALock(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "text": "hello\n", "pid": fmt.Sprintf("%d\n", os.Getpid()), "content": fmt.Sprintf(" %d\n", os.Getpid()),
		"strict": "1\nfilelock-strict-v1\x00\n0\n", "huge": strings.Repeat("x", 1<<20),
	} {
		path := write(t, filepath.Join(dir, name), content)
		write(t, path+".lock", content)
		if r := runProgram(t, "status", path); r != (result{stdout: path + ": free\n"}) {
			t.Errorf("%s: %+v", name, r)
		}
		after, err := os.ReadFile(path)
		if err != nil || string(after) != content {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

// TestStatusOfTheDead has holders killed.
func TestStatusOfTheDead(t *testing.T) {
	for _, c := range []struct {
		args   []string
		state  string
		status int
	}{
		{[]string{"--soft"}, "stale", 0},
		{[]string{"--lease=1m"}, "held", exitConflict},
	} {
		path := filepath.Join(t.TempDir(), "x")
		p := holding(t, append(c.args, path)...)
		p.Kill()
		r := runProgram(t, "status", "--json", path)
		found := parsed[report](t, r.stdout)
		if r.status != c.status || len(found) != 1 || found[0].State != c.state || found[0].Available != (c.status == 0) {
			t.Errorf("%v: %+v", c.args, r)
		}
		if c.state != "held" {
			continue
		}
		for ago, want := range map[time.Duration]bool{time.Second: false, time.Minute: true} { // but for the slop
			end := time.Now().Add(-ago)
			if err := os.Chtimes(path, end, end); err != nil {
				t.Fatal(err)
			}
			r := runProgram(t, "status", "--json", path)
			found := parsed[report](t, r.stdout)
			if len(found) != 1 || found[0].State != "expired" || found[0].Available != want || (r.status == 0) != want {
				t.Errorf("a lease that ended %s ago: %+v", ago, r)
			}
		}
	}
}

// TestStatusTellsWhoWaits has one wait in the system, and one by events.
func TestStatusTellsWhoWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	holding(t, path)
	blocked := testproc.StartCommand(t, command(t, "flock", path, "true"))
	listening := testproc.StartCommand(t, command(t, "run", "-q", path, "true"))
	want := map[int]bool{blocked.PID(): true, listening.PID(): false}
	deadline := time.Now().Add(time.Minute)
	for {
		r := runProgram(t, "status", "--json", path)
		found := parsed[report](t, r.stdout)
		if len(found) != 1 {
			t.Fatalf("%+v", r)
		}
		got := map[int]bool{}
		for _, w := range found[0].Waiters {
			got[w.PID] = *w.Blocked
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			break
		}
		if time.Now().After(deadline) { // who begins to wait tells nobody
			t.Fatalf("%v wait, want %v", got, want)
		}
	}
	lines := strings.Split(runProgram(t, "status", path).stdout, "\n")
	for pid, words := range map[int]string{blocked.PID(): "waited for by pid", listening.PID(): "waited for or watched by pid"} {
		begin := fmt.Sprintf("%s: %s %d (", path, words, pid)
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) }) {
			t.Errorf("%q is not among %q", begin, lines)
		}
	}
}

// TestWhatOthersWroteIsPrintable has a command line, a host and a path that would
// change what a terminal shows.
func TestWhatOthersWroteIsPrintable(t *testing.T) {
	evil := "\x1b[31m\n\r\u202e"
	dir := t.TempDir()
	path := filepath.Join(dir, "x"+evil)
	holding(t, "-s", path)
	args := []string{"run", "-s", path, "sh", "-c", "echo ready; read line", evil}
	p := testproc.StartCommand(t, command(t, args...))
	p.Expect("ready")
	soft := write(t, filepath.Join(dir, "soft"), fmt.Sprintf("1\n%s\n", "host\x1b[2J"))
	for _, args := range [][]string{
		{"status", path, path + "/", soft}, {"status", "--soft", soft}, {"status", "--json", path, soft}, {"list", dir}, {"list", "--json", dir},
		{"run", "-n", path, "true"}, {"run", "--soft", "-n", path, "true"}, {"wait", "-w", "0", path}, {"run", path + "/", "true"},
		{"run", "-n", "--json", path, "true"},
	} {
		r := runProgram(t, args...)
		if text := r.stdout + r.stderr; strings.ContainsAny(text, "\x1b\r") || text == "" {
			t.Errorf("%q prints %q", args, text)
		}
	}
	if r := runProgram(t, "status", path); strings.Count(r.stdout, "\n") != 2 {
		t.Errorf("two holders are %q", r.stdout)
	}
}
