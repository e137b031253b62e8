package procid_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	goleak.VerifyTestMain(m)
}

// roles are those of all systems; some add to them.
var roles = map[string]testproc.Role{
	"idle": func([]string) error {
		self := procid.Self()
		os.Stdout.WriteString(self.Start + "\n")
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
	return p, procid.ID{PID: p.PID(), Start: p.Line(), Space: procid.Self().Space}
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
	for _, id := range []procid.ID{id, {PID: id.PID, Space: id.Space}, {PID: id.PID, Start: id.Start, Space: procid.Unstated}} {
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
		"plain --option":           "plain --option",
		"a\x1b[31mb\nc\x7f\u0085d": "a?[31mb?c??d",
		"broken \xff":              "broken ?",
		"  spaces ":                "spaces",
		strings.Repeat("ä", 100):   strings.Repeat("ä", 79) + "…",
		strings.Repeat("x", 80):    strings.Repeat("x", 80),
		"":                         "",
	} {
		if got := procid.Printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}
