//go:build linux

package script

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNumbersAreThoseOfFlock1 compares what becomes of numbers at random, right
// or wrong: timeouts as strtod(3) reads them, statuses and descriptors.
func TestNumbersAreThoseOfFlock1(t *testing.T) {
	theirs := needFlock1(t)
	held := filepath.Join(t.TempDir(), "held")
	if err := unix.Flock(probe(t, held), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	pieces := []string{"0", "1", "5", "12", "255", "256", "2147483648", "9999999999999999999999", ".", ".0", "e", "e-9", "E3", "p", "0x", "-", "+", " ", "\t", "inf", "nan", "_", ",", "a"}
	random := rand.New(rand.NewPCG(3, 7))
	accepted := 0
	const n = 600
	for range n {
		number := ""
		for range 1 + random.IntN(3) {
			number += pieces[random.IntN(len(pieces))]
		}
		if extreme.MatchString(number) {
			continue
		}
		args := [][]string{
			{"-n", "-w", number, held, "true"},
			{"-n", "-E", number, held, "true"},
			{"-n", "--", number},
		}[random.IntN(3)]
		want, got := outcome(theirs, args), outcome(filepath.Join(bin, "flock"), args)
		if got != want {
			t.Errorf("%q: %s, but flock(1): %s", args, got, want)
		}
		if want == "exit status 1" {
			accepted++
		}
	}
	if accepted < n/20 {
		t.Errorf("%d of %d numbers are right: that compares little", accepted, n)
	}
}

// extreme are numbers that a long double does not have room for, which flock(1)
// reads.
var extreme = regexp.MustCompile(`[eEpP][-+]?\d{4}`)

// outcome returns how a program ends, and what it prints.
func outcome(program string, args []string) string {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader("") // no file that others lock
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}
