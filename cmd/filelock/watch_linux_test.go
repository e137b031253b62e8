package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
)

func TestWatchTellsOfChanges(t *testing.T) {
	for _, options := range [][]string{nil, {"--soft"}, {"--lease=1m"}, {"--link"}} {
		path := filepath.Join(t.TempDir(), "x")
		p := testproc.StartCommand(t, command(t, "watch", path))
		says := func(want string) {
			t.Helper()
			line := p.Line()
			if _, text, _ := strings.Cut(line, " "); !strings.HasPrefix(text, path+": "+want) {
				t.Fatalf("%v: %q, want %q", options, line, want)
			}
		}
		says("free")
		for range 2 {
			holder := holding(t, append(options, path)...)
			says(fmt.Sprintf("locked by pid %d (", holder.PID()))
			release(holder)
			says("free")
		}
		p.Kill()
	}
}

func TestWatchInJSON(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "x"), filepath.Join(dir, "y")
	holder := holding(t, "-s", path)
	p := testproc.StartCommand(t, command(t, "watch", "--json", path, other))
	first := append(parsed[change](t, p.Line()), parsed[change](t, p.Line())...)
	if first[0].Path != path {
		first[0], first[1] = first[1], first[0]
	}
	if c := first[0]; c.State != "held" || c.Mode != "shared" || c.Holders[0].PID != holder.PID() || c.Time.IsZero() {
		t.Errorf("%+v", c)
	}
	if c := first[1]; c.Path != other || c.State != "free" {
		t.Errorf("%+v", c)
	}
	another := holding(t, "-s", path)
	if c := parsed[change](t, p.Line()); len(c[0].Holders) != 2 {
		t.Errorf("two share it: %+v", c)
	}
	release(holder)
	if c := parsed[change](t, p.Line()); len(c[0].Holders) != 1 || c[0].Holders[0].PID != another.PID() {
		t.Errorf("one is left: %+v", c)
	}
}

// TestWatchEndsWithItsReader has nobody read any more.
func TestWatchEndsWithItsReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "watch", path)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.Close()
	holding(t, path)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitSignalled+int(syscall.SIGPIPE) && got != exitSystem {
		t.Errorf("the status is %d", got)
	}
}
