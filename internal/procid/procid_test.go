package procid_test

import (
	"fmt"
	"math/big"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

// roles are those of all systems; some add to them.
var roles = map[string]testproc.Role{
	"idle": func([]string) error {
		self := procid.Self()
		fmt.Println(self.PID, self.Space, self.Start)
		_, err := os.Stdin.Read(make([]byte, 1))
		return ignoreEOF(err)
	},
}

func ignoreEOF(err error) error {
	if err != nil && err.Error() == "EOF" {
		return nil
	}
	return err
}

// idle starts a process and returns what a record would say of it.
func idle(t *testing.T) (*testproc.Proc, procid.ID) {
	p := testproc.Start(t, "idle")
	return p, parse(p.Line())
}

// parse reads an ID as a role prints it. The start may be missing.
func parse(line string) (id procid.ID) {
	fmt.Sscan(line, &id.PID, &id.Space, &id.Start)
	return id
}

func TestLivingProcessIsNotDead(t *testing.T) {
	_, id := idle(t)
	for _, id := range []procid.ID{id, procid.Self(), {PID: id.PID, Space: id.Space}, {PID: id.PID, Space: procid.Unstated}} {
		if id.Dead() {
			t.Errorf("%+v is called dead", id)
		}
	}
}

func TestEndedProcessIsDead(t *testing.T) {
	p, id := idle(t)
	p.Kill()
	for _, id := range []procid.ID{id, {PID: id.PID, Space: id.Space}, {PID: id.PID, Start: id.Start, Space: procid.Unstated}, {PID: id.PID, Space: procid.Unstated}} {
		if !id.Dead() {
			t.Errorf("%+v is not called dead", id)
		}
	}
}

func TestNumberUsedAgainIsDead(t *testing.T) {
	_, id := idle(t)
	if id.Start == "" {
		t.Skip("this system does not tell when a process started")
	}
	id.Start = earlier(id.Start)
	if !id.Dead() {
		t.Errorf("%+v is not called dead, though another has its number", id)
	}
}

// earlier returns a token of the same boot that is less than start.
func earlier(start string) string {
	b := []byte(start)
	for i := len(b) - 1; ; i-- {
		if b[i] > '0' {
			b[i]--
			return string(b)
		}
	}
}

func TestOtherSpaceIsNeverDead(t *testing.T) {
	p, id := idle(t)
	p.Kill()
	for _, space := range []uint64{0, id.Space + 1} {
		if id := (procid.ID{PID: id.PID, Start: id.Start, Space: space}); id.Dead() || id.Here() {
			t.Errorf("%+v, of another container or boot, is called dead", id)
		}
	}
}

// TestTokenOfAnotherSystemIsNeverDead has records of systems that share the
// host's name and the directory, as Windows and its WSL do.
func TestTokenOfAnotherSystemIsNeverDead(t *testing.T) {
	p, id := idle(t)
	p.Kill()
	now := time.Now()
	tokens := map[string]string{
		"linux":        "4242", // ticks alone
		"another boot": new(big.Int).Lsh(big.NewInt(1), 64).String(),
		"darwin":       strconv.FormatInt(now.UnixMicro(), 10),
		"windows":      strconv.FormatInt(now.UnixMicro()*10+116444736e9, 10),
	}
	delete(tokens, runtime.GOOS)
	for system, token := range tokens {
		if id := (procid.ID{PID: id.PID, Start: token, Space: procid.Unstated}); id.Dead() || id.Here() {
			t.Errorf("%+v, of %s, is called dead", id, system)
		}
	}
}

func TestTokenOfAnotherTimeIsNeverDead(t *testing.T) {
	p, id := idle(t)
	p.Kill()
	start, ok := new(big.Int).SetString(id.Start, 10)
	if !ok {
		t.Skip("this system does not tell when a process started")
	}
	const years = 1e15 // by any system's clock
	for _, shift := range []int64{-years, years} {
		token := new(big.Int).Add(start, big.NewInt(shift)).String()
		if id := (procid.ID{PID: id.PID, Start: token, Space: procid.Unstated}); id.Dead() || id.Here() {
			t.Errorf("%+v, of another boot or yet to come, is called dead", id)
		}
	}
}

func TestDescribeThisProcess(t *testing.T) {
	command, started := procid.Describe(os.Getpid())
	if command == "" || started.IsZero() {
		t.Skip("this system does not describe processes")
	}
	if !strings.Contains(command, "procid") {
		t.Errorf("the command is %q", command)
	}
	if age := time.Since(started); age < -time.Second || age > 10*time.Minute {
		t.Errorf("this process started %v ago", age)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain --option":              "plain --option",
		"a\x1b[31mb\nc\x7f\u0085d":    "a?[31mb?c??d",
		"broken \xff":                 "broken ?",
		"  spaces ":                   "spaces",
		strings.Repeat("ä", 100):      strings.Repeat("ä", 79) + "…",
		"\u202etxt.exe \u2066a\u2069": "?txt.exe ?a?", // turn the direction
		"\u200e\u200f\u061c\u202a":    "????",
		"a\u200b\u200d\u2060\ufeffb":  "a????b", // without width
		"a\u2028b\u2029c\u009bd":      "a?b?c?d",
		"日本\u3000語 é":                 "日本\u3000語 é",
		strings.Repeat("x", 80):       strings.Repeat("x", 80),
		"":                            "",
	} {
		if got := procid.Printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}
