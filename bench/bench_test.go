package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) {
	kinds = append(kinds, kind{noLock, func(string) (locker, error) { return open{}, nil }})
	testproc.Main(roles)
	verify.Main(m)
}

const noLock = "no lock"

// open is a locker that lets everybody in.
type open struct{}

func (open) acquire(context.Context) error { return nil }
func (open) release() error                { return nil }

func needsSystem(t *testing.T) {
	if !supported {
		t.Skip("this system is not measured")
	}
}

// TestFamiliesMeasureAllThatTheyList runs each in its shortest form. Crews fail
// if they do not exclude each other, and hand-overs that come too early.
func TestFamiliesMeasureAllThatTheyList(t *testing.T) {
	needsSystem(t)
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			dir := t.TempDir()
			var stdout, stderr bytes.Buffer
			if status := dispatch(t.Context(), []string{f.name, "-quick", "-o", dir, "-dir", dir}, &stdout, &stderr); status != 0 {
				t.Fatalf("exit status %d: %s", status, &stderr)
			}
			text, err := os.ReadFile(filepath.Join(dir, f.name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var r reportJSON
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			if len(r.Tables) == 0 {
				t.Error("there are no tables")
			}
			for _, table := range r.Tables {
				for _, row := range table.Rows {
					if len(row.Rounds) == 0 || !strings.Contains(stdout.String(), row.Name) {
						t.Errorf("%s: %s has not been measured, or is not printed", table.Title, row.Name)
					}
				}
			}
			checkXML(t, filepath.Join(dir, f.name+".svg"))
			if left, _ := filepath.Glob(filepath.Join(dir, "filelock-bench-*")); len(left) > 0 {
				t.Errorf("%s are left behind", left)
			}
		})
	}
}

func checkXML(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := xml.NewDecoder(f); err == nil; {
		_, err = d.Token()
	}
	if err != io.EOF {
		t.Errorf("%s: %v", path, err)
	}
}

func newBench(t *testing.T) *bench {
	b := &bench{ctx: t.Context(), dir: t.TempDir()}
	t.Cleanup(func() {
		if err := b.end(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestCrewsWithoutALockAreFoundOut makes sure that the counter tells.
func TestCrewsWithoutALockAreFoundOut(t *testing.T) {
	needsSystem(t)
	c := crew{Kind: noLock, Workers: 4, Section: 100 * time.Microsecond}
	_, err := newBench(t).compete(100*time.Millisecond, c, c)
	if err == nil || !strings.Contains(err.Error(), "does not exclude") {
		t.Errorf("got %v", err)
	}
}

func TestProcessThatFailsEndsTheRun(t *testing.T) {
	needsSystem(t)
	b := newBench(t)
	path := filepath.Join(b.path(), "no such directory", "x.lock")
	p, err := goParty(gofrsLock).start(b, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.acquire(); err == nil || !strings.Contains(err.Error(), "ended too early: EOF\nexit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestInterruptEndsTheRun(t *testing.T) {
	needsSystem(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	for _, f := range families {
		if err := f.measure(ctx, settings{dir: dir, quick: true}, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v are left behind", left)
	}
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		args string
		want int
	}{
		{"-help", 0},
		{"crowd -help", 0},
		{"", exitUsage},
		{"crowds", exitUsage},
		{"crowd 4x64", exitUsage},
		{"crowd -crowd 4", exitUsage},
		{"crowd -crowd 4x64,0x1", exitUsage},
		{"crowd -section 5", exitUsage},
	} {
		var stdout, stderr bytes.Buffer
		if got := dispatch(t.Context(), strings.Fields(test.args), &stdout, &stderr); got != test.want {
			t.Errorf("%q: exit status %d, want %d: %s", test.args, got, test.want, &stderr)
		}
	}
}
