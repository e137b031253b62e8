package getopt

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

// sample returns a command that notes the options it meets, as getopt(1) does.
func sample(met *[]string) *Command {
	note := func(name string) func(string) error {
		return func(string) error {
			*met = append(*met, name)
			return nil
		}
	}
	noteArg := func(name string) func(string) error {
		return func(arg string) error {
			*met = append(*met, name, quoted(arg))
			return nil
		}
	}
	return &Command{
		Name: "sample",
		Options: []Option{
			{Short: "s", Set: note("-s")},
			{Short: "x", Set: note("-x")},
			{Short: "w", Arg: "SECONDS", Set: noteArg("-w")},
			{Long: []string{"shared"}, Set: note("--shared")},
			{Long: []string{"non"}, Set: note("--non")},
			{Long: []string{"nonblock"}, Set: note("--nonblock")},
			{Long: []string{"nofork"}, Set: note("--nofork")},
			{Long: []string{"wait"}, Arg: "SECONDS", Set: noteArg("--wait")},
			{Long: []string{"what"}, Arg: "THING", Set: noteArg("--what")},
		},
	}
}

func quoted(s string) string { return "'" + s + "'" }

// parsed returns what comes of args, in the manner of getopt(1).
func parsed(args []string, inOrder bool) (string, error) {
	var met []string
	c := sample(&met)
	c.InOrder = inOrder
	operands, err := c.Parse(args)
	if err != nil {
		return "", err
	}
	met = append(met, "--")
	for _, o := range operands {
		met = append(met, quoted(o))
	}
	return " " + strings.Join(met, " ") + "\n", nil
}

// TestParsesAsGetoptDoes compares with getopt(1), which is GNU's function on
// many systems, at random.
func TestParsesAsGetoptDoes(t *testing.T) {
	version, err := exec.Command("getopt", "--version").Output()
	if err != nil || !bytes.Contains(version, []byte("util-linux")) {
		t.Skipf("there is no getopt(1) of util-linux: %v", err)
	}
	words := []string{
		"-s", "-x", "-sx", "-w", "-w5", "-xw", "-xw5", "-sw5x", "-q", "-sq", "-", "--", "-s-", "-:", "-w-", "-\xc3\xa9",
		"--shared", "--sh", "--shared=1", "--sh=", "--non", "--no", "--nonb", "--nof", "--n=3", "--nonx",
		"--wait", "--wait=5", "--wa=", "--wh", "--w", "--what", "--what=--", "--foo", "--foo=bar", "--=", "---",
		"file", "5", "", "a=b",
	}
	random := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 2000 {
		args := make([]string, random.IntN(5))
		for i := range args {
			args[i] = words[random.IntN(len(words))]
		}
		inOrder := random.IntN(2) == 0
		order := ""
		if inOrder {
			order = "+"
		}
		// Each must differ from the rest for getopt(1), as they do here.
		cmd := exec.Command("getopt", append([]string{"-n", "sample", "-o", order + "sxw:",
			"-l", "shared,non,nonblock,nofork,wait:,what:", "--"}, args...)...)
		cmd.Env = []string{"LC_ALL=C"}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		errReal := cmd.Run()
		got, err := parsed(args, inOrder)
		if err != nil {
			wrong++
			first, _, _ := strings.Cut(stderr.String(), "\n") // it goes on after an error
			if want := "sample: " + err.Error(); first != want {
				t.Errorf("%q: %q, but getopt(1) says %q", args, want, first)
			}
			continue
		}
		if errReal != nil || got != stdout.String() {
			t.Errorf("%q: %q, but getopt(1) says %q, %s%v", args, got, &stdout, &stderr, errReal)
		}
	}
	if wrong < 100 || wrong > 1900 {
		t.Errorf("%d of 2000 are wrong: that compares little", wrong)
	}
}

func TestErrors(t *testing.T) {
	s, other := "", errors.New("not today")
	c := &Command{Options: []Option{
		{Short: "xe", Long: []string{"exclusive", "exact"}, Set: To(&s, "x")},
		{Short: "c", Long: []string{"close"}, Set: func(string) error { return other }},
		{Long: []string{"conflict"}, Arg: "N", Set: To(&s, "conflict")},
		{Short: "h", Long: []string{"help"}, Set: Help},
	}}
	for args, want := range map[string]string{
		"-q":         "invalid option -- 'q'",
		"--c":        "option '--c' is ambiguous; possibilities: '--close' '--conflict'",
		"--":         "",
		"--e":        "", // two names of one option
		"-e":         "",
		"--conf":     "option '--conflict' requires an argument",
		"--exc=3":    "option '--exclusive' doesn't allow an argument",
		"--fast=3":   "unrecognized option '--fast=3'",
		"-xc -q":     "not today",
		"-xhq":       "help is wanted",
		"--conflict": "option '--conflict' requires an argument",
	} {
		_, err := c.Parse(strings.Fields(args))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v, want %q", args, err, want)
		case err != nil && err != other && err != ErrHelp && !errors.Is(err, fs.ErrInvalid):
			t.Errorf("%s: %v is no misuse", args, err)
		}
	}
}

func TestUsageShowsOptionsOnce(t *testing.T) {
	c := &Command{
		Name:     "sample",
		Synopsis: []string{"[OPTION...] FILE", "--quit"},
		About:    "\nDoes little.\n",
		Options: []Option{
			{Short: "xe", Long: []string{"exclusive", "ex"}, Help: "alone"},
			{Short: "w", Long: []string{"wait"}, Arg: "SECONDS", Help: "no longer\nthan that"},
			{Long: []string{"an-option-with-a-name-of-its-own"}, Help: "long"},
			{Short: "q", Help: "quiet"},
			{Short: "?"},
		},
	}
	want := `Usage: sample [OPTION...] FILE
       sample --quit

Does little.

Options:
 -x, --exclusive     alone
 -w, --wait SECONDS  no longer
                     than that
     --an-option-with-a-name-of-its-own
                     long
 -q                  quiet
`
	if got := c.Usage(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// FuzzParse: what has been understood, written plainly, is understood to be the
// same.
func FuzzParse(f *testing.F) {
	f.Add("-sw5 --no file", true)
	f.Add("-x file --wait=3 -- -s", false)
	f.Fuzz(func(t *testing.T, line string, inOrder bool) {
		args := strings.Split(line, " ")
		met, operands, err := options(args, inOrder)
		if err != nil {
			var misuse *Error
			if !errors.As(err, &misuse) || met != nil || operands != nil {
				t.Fatalf("%q: %v, %v, %v", args, met, operands, err)
			}
			return
		}
		plain := slices.Concat(met, []string{"--"}, operands)
		again, same, err := options(plain, inOrder)
		if err != nil || !slices.Equal(met, again) || !slices.Equal(operands, same) {
			t.Errorf("%q is %q %q, which is %q %q, %v", args, met, operands, again, same, err)
		}
	})
}

// options returns the options in args, each with its whole name and what it is
// given, and the operands.
func options(args []string, inOrder bool) (met, operands []string, err error) {
	c := sample(new([]string))
	c.InOrder = inOrder
	for i, o := range c.Options {
		name := "--" + strings.Join(o.Long, "")
		if o.Short != "" {
			name = "-" + o.Short
		}
		c.Options[i].Set = func(arg string) error {
			met = append(met, name)
			if o.Arg != "" {
				met = append(met, arg)
			}
			return nil
		}
	}
	operands, err = c.Parse(args)
	if err != nil {
		return nil, operands, err
	}
	return met, operands, nil
}
