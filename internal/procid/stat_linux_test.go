package procid

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// line makes a /proc/PID/stat of the fields that count.
func line(name string, s stat) []byte {
	return fmt.Appendf(nil, "12 (%s) %s 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 %d 21 %d 23\n", name, []byte{s.state}, s.threads, s.ticks)
}

func TestParseStat(t *testing.T) {
	want := stat{state: 'S', threads: 3, ticks: 424242}
	for _, name := range []string{"x", "a b", ") Z 1 (", "((", ""} {
		if s, ok := parseStat(line(name, want)); !ok || s != want {
			t.Errorf("name %q: %+v, %v", name, s, ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 33 0"))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, ok := parseStat(data)
		if !ok {
			return
		}
		if again, ok := parseStat(line("name", s)); !ok || again != s {
			t.Errorf("%q is %+v, which comes back as %+v, %v", data, s, again, ok)
		}
	})
}

func TestIDsOf(t *testing.T) {
	for status, want := range map[string][]string{
		"Name:\tx\nNSpid:\t470\t3\nVmPeak:\t1 kB\n": {"470", "3"},
		"NSpid:\t470\n":              {"470"},
		"NSpid:\n":                   {},
		"Name:\tNSpid: 1\nPid:\t1\n": nil,
	} {
		if got := idsOf([]byte(status)); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q has the ids %q, want %q", status, got, want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("255211775190703847597530955573826158592")
	f.Add("18446744073709551615")
	f.Fuzz(func(t *testing.T, token string) {
		boot, ticks, ok := split(token)
		if !ok {
			return
		}
		whole := boot.Lsh(boot, 64)
		whole.Add(whole, new(big.Int).SetUint64(ticks))
		if n, _ := new(big.Int).SetString(token, 10); n.Cmp(whole) != 0 {
			t.Errorf("%q is split into what makes %v", token, whole)
		}
	})
}
