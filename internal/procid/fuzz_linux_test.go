package procid

import (
	"bytes"
	"math/big"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gofilelock/filelock/internal/uptime"
)

// FuzzToken: of a process that lives nothing but another start, of this boot and
// in decimal, proves that its record is a dead one's.
func FuzzToken(f *testing.F) {
	own := startToken(os.Getpid())
	f.Add(own)
	f.Add(own[:len(own)-1] + "0")
	for _, token := range []string{"", "1", "+1", "-1", "0x1", "1_0", " 1", "18446744073709551616"} {
		f.Add(token)
	}
	_, ours, _ := split(own)
	boot, _ := new(big.Int).SetString(bootID(), 16)
	f.Fuzz(func(t *testing.T, token string) {
		if !(ID{os.Getpid(), token, Unstated}).Dead() {
			return
		}
		whole, ok := new(big.Int).SetString(token, 10)
		if !ok || strings.Trim(token, "0123456789") != "" {
			t.Fatalf("%q proves something", token)
		}
		up, _ := uptime.SinceBoot()
		high, ticks := new(big.Int).Rsh(whole, 64), whole.Uint64()
		if high.Sign() != 0 && high.Cmp(boot) != 0 || ticks == ours || ticks > uint64(up/tick) {
			t.Errorf("%q proves that %s is dead", token, own)
		}
	})
}

// FuzzIDsOf: the ids are words of one line.
func FuzzIDsOf(f *testing.F) {
	f.Add([]byte("Name:\tx\nNSpid:\t470\t3\nVmPeak:\t1 kB\n"))
	f.Add([]byte("NSpid:"))
	f.Fuzz(func(t *testing.T, status []byte) {
		ids := idsOf(status)
		line := []byte("NSpid:\t" + strings.Join(ids, "\t") + "\n")
		if again := idsOf(line); ids != nil && strings.Join(again, " ") != strings.Join(ids, " ") {
			t.Errorf("%q has the ids %q, and %q has %q", status, ids, line, again)
		}
		for _, id := range ids {
			if id == "" || !bytes.Contains(status, []byte(id)) {
				t.Errorf("%q has the ids %q", status, ids)
			}
		}
	})
}

// FuzzPrintable: whatever a process calls itself, what is shown is short, on one
// line and of characters that show themselves only.
func FuzzPrintable(f *testing.F) {
	f.Add("plain --option")
	f.Add(" a\x1b[31mb\nc\x7f\u0085\u202e\xff ")
	f.Add(strings.Repeat("ä", 100))
	f.Fuzz(func(t *testing.T, s string) {
		p := Printable(s)
		if utf8.RuneCountInString(p) > 80 || !utf8.ValidString(p) || strings.ContainsFunc(p, Control) || strings.ContainsRune(p, utf8.RuneError) {
			t.Errorf("%q is shown as %q", s, p)
		}
		if again := Printable(p); again != strings.TrimSpace(p) {
			t.Errorf("%q is shown as %q, and that as %q", s, p, again)
		}
	})
}

// FuzzStatOfAny: a line with a valid ending means that, whatever the process is
// called.
func FuzzStatOfAny(f *testing.F) {
	f.Add("x) Z 1 (", 1, uint64(7), byte('S'))
	f.Fuzz(func(t *testing.T, name string, threads int, ticks uint64, state byte) {
		if state <= ' ' || state == ')' || state >= 0x7f {
			return
		}
		want := stat{state: state, threads: threads, ticks: ticks}
		if got, ok := parseStat(line(name, want)); !ok || got != want {
			t.Errorf("%q is %+v, %v; want %+v", line(name, want), got, ok, want)
		}
	})
}
