package marker

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

// FuzzName has what is formatted read again, and holds whatever else is read to
// what a unique name is.
func FuzzName(f *testing.F) {
	f.Add("web-1", 4242, uint64(7), "web-7f00.12-34")
	f.Add("a.b", 1, uint64(math.MaxUint64), "web.-7f001234")
	f.Add("a-b", math.MaxInt32, uint64(0), "web.12345678901234567890")
	f.Add("", 0, uint64(0), "../x.1-2")
	f.Add("/", 5, uint64(1), "-0.0")
	f.Fuzz(func(t *testing.T, host string, pid int, number uint64, name string) {
		if record.ValidHost(host) && isElement(host) && len(host) < 200 && pid > 0 && pid <= math.MaxInt32 {
			own := formatName(host, procid.Self().Space, pid, number>>1)
			if c, ok := parseName(own); !ok || c.pid != pid || c.host != host {
				t.Errorf("%q is read as %+v, %v", own, c, ok)
			}
		}
		c, ok := parseName(name)
		if ok && (name != filepath.Base(name) || c.host == "" || c.pid < 0 || c.pid > math.MaxInt32 || c.near && c.pid == 0) {
			t.Errorf("%q is read as %+v", name, c)
		}
		if !ok && c != (claimant{}) {
			t.Errorf("%q is refused, but read as %+v", name, c)
		}
	})
}

// FuzzLine holds that nothing but a decimal line is a process id.
func FuzzLine(f *testing.F) {
	for _, said := range []string{"1\n", " 0042 \nmore", "1", "-1\n", "+1\n", "99999999999\n", "\n"} {
		f.Add(said)
	}
	f.Fuzz(func(t *testing.T, said string) {
		pid := parseLine(said)
		line, _, whole := strings.Cut(said, "\n")
		if pid < 0 || pid > math.MaxInt32 || pid != 0 && (!whole || !digits(strings.TrimSpace(line))) {
			t.Errorf("%q is read as %d", said, pid)
		}
	})
}
