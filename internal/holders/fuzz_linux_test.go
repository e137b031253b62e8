package holders

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/sys"
)

// FuzzHeld: what is held on a file is what its lines say one by one, and none
// that is waited for.
func FuzzHeld(f *testing.F) {
	f.Add([]byte("1: FLOCK  ADVISORY  WRITE 1234 fe:00:131090 0 EOF\n1: -> FLOCK  ADVISORY  READ 5 fe:00:131090 0 EOF\n"), uint64(131090), true)
	f.Add([]byte("lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:7 0 EOF\nmnt_id:\t1\n"), uint64(7), false)
	f.Fuzz(func(t *testing.T, text []byte, ino uint64, flock bool) {
		kind, prefix := Record, "lock:"
		if flock {
			kind, prefix = Flock, ""
		}
		lines := 0
		for range bytes.Lines(text) {
			lines++
		}
		for e := range held(text, prefix, ino, kind) {
			if lines--; e.waiting || e.kind != kind || e.id.Ino != ino {
				t.Errorf("%q: %+v", text, e)
			}
		}
		if lines < 0 {
			t.Errorf("%q: more locks than lines", text)
		}
	})
}

// FuzzWatches: the one file that an instance watches is the one it says, and
// what does not say it as the system does is no watch.
func FuzzWatches(f *testing.F) {
	f.Add([]byte("inotify wd:1 ino:2000f sdev:fe00000 mask:e0 ignored_mask:0\n"), uint32(254), uint32(0), uint64(0x2000f))
	f.Add([]byte("inotify wd:1 2000f fe00000\n"), uint32(254), uint32(0), uint64(0x2000f))
	f.Fuzz(func(t *testing.T, text []byte, major, minor uint32, ino uint64) {
		major, minor = major&0xfff, minor&0xfffff // as many bits as the kernel has
		id := sys.ID{Dev: unix.Mkdev(major, minor), Ino: ino}
		line := fmt.Appendf(nil, "inotify wd:1 ino:%x sdev:%x mask:e0\n", ino, major<<20|minor)
		if !watches(line, id) {
			t.Errorf("%q does not watch %v", line, id)
		}
		if other := (sys.ID{Dev: id.Dev, Ino: ino + 1}); watches(line, other) {
			t.Errorf("%q watches %v", line, other)
		}
		if watches(text, id) && !(bytes.Contains(text, []byte("ino:")) && bytes.Contains(text, []byte("sdev:"))) {
			t.Errorf("%q watches %v", text, id)
		}
	})
}
