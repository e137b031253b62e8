package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

const manualPage = "../../docs/man/filelock.1"

// TestManualPageIsThatOfTheCode fails when a text has changed: then run
// filelock man >docs/man/filelock.1.
func TestManualPageIsThatOfTheCode(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the page is that of Linux")
	}
	page, err := os.ReadFile(manualPage)
	if err != nil {
		t.Fatal(err)
	}
	if r := runProgram(t, "man"); r.status != 0 || r.stdout != string(page) {
		t.Errorf("%s is out of date (go run ./cmd/filelock man >docs/man/filelock.1)", manualPage)
	}
}

func TestEveryVerbIsDescribed(t *testing.T) {
	described := map[string]bool{"man": true, "completion": true}
	for _, c := range program().Commands {
		described[c.Word()] = true
		if c.About == "" || len(c.Synopsis) == 0 {
			t.Errorf("%s has no description", c.Name)
		}
		if lines := strings.Count(c.Usage(), "\n"); lines > 50 {
			t.Errorf("the help of %s has %d lines", c.Name, lines)
		}
		if !strings.Contains(usage, "filelock "+c.Word()+" ") {
			t.Errorf("the usage does not name %s", c.Word())
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := runProgram(t, "completion", shell); r.status != 0 || !strings.Contains(r.stdout, "probe") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
	if r := runProgram(t, "completion", "ksh"); r.status != exitUsage {
		t.Errorf("%+v", r)
	}
	if r := runProgram(t, "--version"); r.status != 0 || !strings.HasPrefix(r.stdout, "filelock ") {
		t.Errorf("%+v", r)
	}
}
