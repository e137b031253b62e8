//go:build unix

package marker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
)

// FuzzMarkerOnDisk: whoever breaks the markers of the dead leaves alone what is
// not certainly one of them.
func FuzzMarkerOnDisk(f *testing.F) {
	own, err := newName()
	if err != nil {
		f.Fatal(err)
	}
	for kind := range byte(4) {
		f.Add(kind, own)
		f.Add(kind, strings.Replace(own, ".", ".1", 1))
		f.Add(kind, "web-7f00.12-34")
		f.Add(kind, "1\n")
		f.Add(kind, "99999999\n")
		f.Add(kind, "")
	}
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		path := filepath.Join(t.TempDir(), "x")
		l, at := New(path, Config{BreakStale: true}), path+".lock"
		switch kind % 4 {
		case 0:
			err = os.WriteFile(at, []byte(text), 0o666)
		case 1:
			if err = os.Mkdir(at, 0o777); err == nil && isElement(text) && text != "." && text != ".." {
				err = os.WriteFile(filepath.Join(at, text), nil, 0o666)
			}
		case 2:
			err = os.Symlink(text, at)
		case 3:
			l, at = NewPID(path, Config{BreakStale: true}), path
			err = os.WriteFile(at, []byte(text), 0o666)
		}
		if err != nil {
			return // the system does not make that
		}
		hold, err := l.TryAcquire(context.Background())
		if err == nil {
			if !provesDeath(kind%4, text) {
				t.Errorf("%d: %q is taken for a dead one's", kind%4, text)
			}
			if err := hold.Release(); err != nil {
				t.Error(err)
			}
			return
		}
		if _, errSee := os.Lstat(at); errSee != nil {
			t.Errorf("%d: %q is gone, but: %v", kind%4, text, err)
		}
		if !errors.Is(err, filelock.ErrLocked) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%d: %q: %v", kind%4, text, err)
		}
	})
}

// provesDeath reports whether a marker may be broken.
func provesDeath(kind byte, text string) bool {
	pid := parseLine(text)
	if c, ok := parseName(text); ok && c.near {
		pid = c.pid
	} else if kind != 3 {
		return false
	}
	return pid != 0 && procid.ID{PID: pid, Space: procid.Self().Space}.Dead()
}
