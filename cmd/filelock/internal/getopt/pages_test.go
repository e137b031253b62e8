package getopt

import (
	"os/exec"
	"strings"
	"testing"
)

func program() *Program {
	return &Program{
		Name: "tool", Summary: "does it's work", About: "\nSome text.\n\n  as it is\n\n.not a request",
		Commands: []*Command{
			{Name: "tool make", Synopsis: []string{"[OPTION...] FILE"}, About: "\nMakes.", Options: []Option{
				{Short: "n", Long: []string{"dry-run"}, Help: "it's only [tried]: so\n'quoted' too"},
				{Short: "wx", Long: []string{"wait"}, Arg: "SECONDS", Help: "wait that long"},
			}},
			{Name: "tool mend", Synopsis: []string{"FILE"}, Options: []Option{{Long: []string{"hidden"}}}},
		},
	}
}

// shell runs a script with a program, and skips the test if that is not there.
func shell(t *testing.T, input string, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name, "is not there")
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func completion(t *testing.T, shell string) string {
	t.Helper()
	s, ok := program().Completion(shell)
	if !ok {
		t.Fatal("no script for", shell)
	}
	return s
}

func TestBashCompletes(t *testing.T) {
	for typed, want := range map[string]string{
		"tool m": "make mend", "tool ma": "make", "tool make --w": "--wait", "tool make -": "-n --dry-run -w -x --wait",
		"tool mend --": "--hidden", "tool make x": "",
	} {
		words := strings.Fields(typed)
		input := completion(t, "bash") + "\nCOMP_WORDS=(" + typed + ") COMP_CWORD=" + string(rune('0'+len(words)-1)) + "\n_tool\n" + `printf '%s ' "${COMPREPLY[@]}"`
		if got := strings.TrimSpace(shell(t, input, "bash")); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestZshAcceptsItsScript(t *testing.T) {
	if out := shell(t, completion(t, "zsh"), "zsh", "-n"); out != "" {
		t.Error(out)
	}
}

func TestFishCompletes(t *testing.T) {
	for typed, want := range map[string]string{"tool ma": "make", "tool make --dr": "--dry-run\tit's only [tried]: so"} {
		if got := shell(t, completion(t, "fish")+"\ncomplete -C'"+typed+"'\n", "fish", "--no-config"); strings.TrimSpace(got) != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestNoOtherShellIsKnown(t *testing.T) {
	if _, ok := program().Completion("ksh"); ok {
		t.Error("ksh")
	}
}

func TestManualPageIsShownAsItIs(t *testing.T) {
	page := program().Man(1)
	out := shell(t, page, "groff", "-man", "-ww", "-Tutf8", "-P-cbou")
	for _, want := range []string{"tool - does it's work", ".not a request", "  as it is", "it's only [tried]: so 'quoted' too", "-w, --wait SECONDS"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "warning") {
		t.Error(out)
	}
}
