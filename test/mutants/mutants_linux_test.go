package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

// A mutant is the product without one measure.
type mutant struct {
	law      int    // of docs/design.md, or 0
	measure  string // that is switched off
	file     string
	old, new string // what stands in the file, once, and what is put there
	tests    string // the package whose tests catch it
	run      string // those, as for go test
	pace     pace
}

// A pace says how soon a mutant is caught, and so when it is tried.
type pace int

const (
	slow  pace = iota
	quick      // within seconds, and whatever chance does
	first      // a few of the quick ones, of all sorts
)

// TestEveryMeasureIsTested fails where a measure can be switched off and no test
// minds.
func TestEveryMeasureIsTested(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build mutants with")
	}
	least, which := first, regexp.MustCompile("")
	wanted := os.Getenv("FILELOCK_MUTANTS")
	switch {
	case wanted == "all":
		least = slow
	case wanted != "":
		least, which = slow, regexp.MustCompile(wanted)
	case locktest.Thorough():
		least = quick
	}
	var mu sync.Mutex
	var lines []string
	begin := time.Now()
	t.Run("mutants", func(t *testing.T) {
		for i, m := range table {
			if m.pace < least || !which.MatchString(m.measure) {
				continue
			}
			t.Run(fmt.Sprintf("%02d", i), func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				by := m.caught(t, wanted == "all")
				t.Logf("%s: %s: %s", m.measure, m.tests, by)
				mu.Lock()
				defer mu.Unlock()
				lines = append(lines, fmt.Sprintf("| %d | %s | %s: %s | %.0f s |", m.law, m.measure, m.tests, by, time.Since(began).Seconds()))
			})
		}
	})
	slices.SortStableFunc(lines, func(a, b string) int {
		var lawA, lawB int
		fmt.Sscanf(a, "| %d", &lawA)
		fmt.Sscanf(b, "| %d", &lawB)
		return lawA - lawB
	})
	t.Logf("%d of %d mutants in %s\n| law | switched off | caught by | after |\n|---|---|---|---|\n%s",
		len(lines), len(table), time.Since(begin).Round(time.Second), strings.Join(lines, "\n"))
}

// TestMutantsAreOfTheSource fails where the source has moved on.
func TestMutantsAreOfTheSource(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range table {
		if _, err := m.mutated(); err != nil {
			t.Error(err)
		}
		if seen[m.measure] {
			t.Errorf("%q is there twice", m.measure)
		}
		seen[m.measure] = true
	}
}

// root is where the module of the product is.
var root = filepath.Join("..", "..")

// mutated returns the file without the measure.
func (m mutant) mutated() (string, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return "", fmt.Errorf("%s: %q is there %d times (%s)", m.file, m.old, n, m.measure)
	}
	return strings.Replace(string(source), m.old, m.new, 1), nil
}

// overlay writes the mutated file, and what puts it in the place of the product's.
func (m mutant) overlay(t *testing.T) string {
	source, err := m.mutated()
	must(t, err)
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	must(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "mutant.go")
	must(t, os.WriteFile(file, []byte(source), 0o666))
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: file}})
	must(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(overlay, text, 0o666))
	return overlay
}

// caught runs the tests that are to catch m, and returns which has. With control the
// one has to pass without the mutant.
func (m mutant) caught(t *testing.T, control bool) string {
	text, err := m.test("-run="+m.run, "-overlay="+m.overlay(t))
	switch {
	case strings.Contains(text, "[build failed]"), strings.Contains(text, "[setup failed]"):
		t.Fatalf("%s: the mutant cannot be built\n%s", m.measure, text)
	case strings.Contains(text, "no tests to run"):
		t.Fatalf("%s: there are no such tests: %s", m.measure, m.run)
	case err == nil:
		t.Fatalf("%s: law %d: no test minds (%s, -run %s)", m.measure, m.law, m.tests, m.run)
	}
	by := culprits(text)
	if by == "" {
		t.Fatalf("%s: %v, but no test has failed\n%s", m.measure, err, text)
	}
	if control {
		this := "^" + strings.ReplaceAll(regexp.QuoteMeta(by), "/", "$/^") + "$"
		if text, err := m.test("-run=" + this); err != nil {
			t.Fatalf("%s: %s fails without the mutant too\n%s", m.measure, by, text)
		}
	}
	return by
}

// test runs tests, and returns what they print.
func (m mutant) test(args ...string) (string, error) {
	dir, tests := root, m.tests
	if inner, ok := strings.CutPrefix(m.tests, "test/"); ok {
		dir, tests = "..", inner
	}
	args = append([]string{"test", "-count=1", "-vet=off", "-failfast", "-v", "-timeout=2m"}, args...)
	cmd := exec.Command("go", append(args, "./"+tests)...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FILELOCK_") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whom tests have left behind that were cut off
	}
	return string(out), err
}

var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	running = regexp.MustCompile(`(?m)^\t+(Test\S+) \(`) // when time was up
	begun   = regexp.MustCompile(`(?m)^=== RUN   (\S+)`)
)

// culprits returns the test that has failed, in the words of its output.
func culprits(out string) string {
	for _, names := range []*regexp.Regexp{failed, running} {
		var by []string
		for _, match := range names.FindAllStringSubmatch(out, -1) {
			by = append(by, match[1])
		}
		// Of a test and its parts, the last part.
		by = slices.DeleteFunc(by, func(name string) bool {
			return slices.ContainsFunc(by, func(other string) bool { return strings.HasPrefix(other, name+"/") })
		})
		if len(by) > 0 {
			return by[0]
		}
	}
	if strings.Contains(out, "goleak: Errors") {
		return "TestMain (goleak)"
	}
	if all := begun.FindAllStringSubmatch(out, -1); strings.Contains(out, "fatal error: ") && all != nil {
		return all[len(all)-1][1]
	}
	return ""
}

var must = verify.NoError
