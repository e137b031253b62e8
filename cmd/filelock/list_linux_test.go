package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x, y := filepath.Join(dir, "x"), filepath.Join(dir, "below", "y")
	if err := os.Mkdir(filepath.Dir(y), 0o777); err != nil {
		t.Fatal(err)
	}
	one, two := holding(t, x), holding(t, "-s", y)
	three := holding(t, "--record", y)
	want := map[string]int{
		x + " flock exclusive": one.PID(),
		y + " flock shared":    two.PID(),
		y + " ofd exclusive":   three.PID(),
	}
	got := map[string]int{}
	r := runProgram(t, "list", "--json", dir)
	for _, l := range parsed[listed](t, r.stdout) {
		got[l.Path+" "+l.Kind+" "+l.Mode] = l.PID
	}
	delete(got, "") // nothing
	for key, pid := range want {
		if strings.Contains(key, "ofd") { // the system does not say who took it, so all who share it are told
			if got[key] == 0 {
				t.Errorf("%s is missing: %+v", key, r)
			}
			continue
		}
		if got[key] != pid {
			t.Errorf("%s is of %d, want %d", key, got[key], pid)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%+v", r)
	}

	r = runProgram(t, "list", dir)
	if line := fmt.Sprintf("\n%d ", one.PID()); r.status != 0 || !strings.HasPrefix(r.stdout, "PID ") || !strings.Contains(r.stdout, line) || !strings.Contains(r.stdout, x) {
		t.Errorf("%+v", r)
	}
	if r := runProgram(t, "list", "--json", filepath.Dir(y)); strings.Contains(r.stdout, x) || !strings.Contains(r.stdout, y) {
		t.Errorf("below: %+v", r)
	}
	if r := runProgram(t, "list", filepath.Join(dir, "missing")); r.status != exitSystem || r.stderr == "" {
		t.Errorf("missing: %+v", r)
	}
	if r := runProgram(t, "list"); r.status != 0 || !strings.Contains(r.stdout, y) {
		t.Errorf("all: %+v", r)
	}
}
