//go:build unix || windows

package filelock_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeCodeIsInTheExamples compares every block of Go code in the README,
// line by line, with the examples, which are compiled and run.
func TestReadmeCodeIsInTheExamples(t *testing.T) {
	examples, err := os.ReadFile("example_test.go")
	must(t, err)
	known := map[string]bool{}
	for line := range strings.Lines(string(examples)) {
		known[strings.TrimSpace(replaceJoin(line))] = true
	}
	readme, err := os.ReadFile("README.md")
	must(t, err)
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Error("there is no code")
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if formatted, err := format.Source([]byte(code)); err != nil || string(formatted) != code {
			t.Errorf("not formatted: %v\n%s", err, code)
		}
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); line != "" && !known[line] {
				t.Errorf("not in the examples: %s", line)
			}
		}
	}
}

// replaceJoin puts the plain names of the README in the place of temporary ones.
func replaceJoin(line string) string {
	before, rest, ok := strings.Cut(line, "filepath.Join(dir, ")
	if !ok {
		return line
	}
	name, after, _ := strings.Cut(rest, ")")
	return before + name + after
}

// TestImportsPointOneWay asks for the layers: commands and examples above the
// packages that people use, these above the library, internal packages below
// it, and no package that imports one of its own layer.
func TestImportsPointOneWay(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not there")
	}
	out, err := exec.Command(goTool, "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	must(t, err)
	const root = "github.com/gofilelock/filelock"
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := fields[0]
		for _, imported := range fields[1:] {
			rest, ours := strings.CutPrefix(imported, root)
			internal := strings.HasPrefix(rest, "/internal/")
			testing := strings.HasSuffix(rest, "/locktest") || strings.HasSuffix(rest, "/testproc")
			forTests := strings.HasSuffix(pkg, "/locktest") || strings.HasSuffix(pkg, "/testproc")
			switch {
			case !ours:
			case pkg == root && (!internal || testing):
				t.Errorf("the library imports %s", imported)
			case strings.HasPrefix(pkg, root+"/internal/") && !internal && !forTests:
				t.Errorf("%s imports what is above it: %s", pkg, imported)
			case strings.HasPrefix(pkg, root+"/cmd/"), strings.HasPrefix(pkg, root+"/examples/"):
				if command, _, _ := strings.Cut(pkg, "/internal/"); strings.HasPrefix(rest, "/cmd/") && !strings.HasPrefix(imported, command+"/internal/") {
					t.Errorf("%s imports another command's %s", pkg, imported)
				}
			case !internal && rest != "":
				t.Errorf("%s imports its sibling %s", pkg, imported)
			}
		}
	}
}

func TestThereIsNoWorkspace(t *testing.T) {
	for _, name := range []string{"go.work", "go.work.sum", "vendor"} {
		if _, err := os.Lstat(filepath.Join(".", name)); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
}
