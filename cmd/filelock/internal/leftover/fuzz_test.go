package leftover

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

// names are those that files of locks have.
var names = []string{"x.lock", "x.lock.0123456789abcdef.claim", "x", "x.lock.break", "web-7f00.12-34", "x.lock|web|12|34"}

// FuzzAtOnDisk: what no lock can have left there, with its holder dead, is never
// certain to be left over; and a look changes nothing.
func FuzzAtOnDisk(f *testing.F) {
	host, err := os.Hostname()
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range names {
		for _, text := range []string{"", name, "x.lock" + separator + "web" + separator + "12" + separator + "34", "1\n", "99999999\n"} {
			f.Add(byte(i), []byte(text))
		}
		for _, id := range []procid.ID{procid.Self(), {PID: 99999999, Space: procid.Self().Space}, {PID: 99999999, Space: procid.Unstated}} {
			f.Add(byte(i), record.AppendMarker(nil, record.Marker{ID: id, Host: host, Nonce: 1}))
		}
	}
	long := time.Now().Add(-time.Hour)
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		name := names[int(which)%len(names)]
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o666); err != nil {
			return // Windows has no such name
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
		l, err := At(path)
		if err != nil {
			t.Fatalf("%s, %q: %v", name, text, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
			t.Fatalf("%s: %q has become %q, %v", name, text, now, err)
		}
		if l == nil || l.Proof != Certain {
			return
		}
		m, errMarker := record.ParseMarker(text)
		soft := errMarker == nil && m.Host == host && m.ID.Dead()
		lease := strings.HasPrefix(string(text), name+separator) || strings.Contains(string(text), string(filepath.Separator)+name+separator)
		linked := name == "x.lock" && strings.HasPrefix(string(text), host+"-") || string(text) == name
		if !soft && !lease && !linked {
			t.Errorf("%s, %q: %+v", name, text, l)
		}
	})
}
