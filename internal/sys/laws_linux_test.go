package sys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

var must = verify.NoError

var accesses = []Access{ReadOnly, ReadWrite, Peek, Touch}

// TestLaw23OpenMakesNothing: in a sticky directory O_CREAT on another user's file
// is refused.
func TestLaw23OpenMakesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, access := range accesses {
		if _, err := Open(path, access); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("access %d: %v", access, err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a file now: %v", err)
	}
}

// TestLaw24OpenFollowsNoLink: whoever looks first may be too early.
func TestLaw24OpenFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "target"), nil, 0o666))
	link := filepath.Join(dir, "link")
	must(t, os.Symlink("target", link))
	for _, access := range accesses {
		if _, err := Open(link, access); !errors.Is(err, unix.ELOOP) {
			t.Errorf("access %d: %v", access, err)
		}
	}
	dangling := filepath.Join(dir, "dangling")
	must(t, os.Symlink("nowhere", dangling))
	if _, err := Create(dangling, 0o666); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v", err)
	}
}

// TestLaw24OpenWaitsForNobody opens a named pipe that nobody writes to.
func TestLaw24OpenWaitsForNobody(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(pipe, 0o666))
	for _, access := range accesses {
		opened := make(chan error)
		go func() {
			f, err := Open(pipe, access)
			if err == nil {
				err = f.Close()
			}
			opened <- err
		}()
		select {
		case err := <-opened:
			must(t, err)
		case <-time.After(30 * time.Second):
			t.Errorf("access %d waits", access)
			w, err := os.OpenFile(pipe, os.O_RDWR, 0)
			must(t, err)
			<-opened
			must(t, w.Close())
		}
	}
}

// TestLaw26CloseIsNotRepeated: the descriptor is gone, and may be another's by
// then.
func TestLaw26CloseIsNotRepeated(t *testing.T) {
	f, err := Create(filepath.Join(t.TempDir(), "x"), 0o666)
	must(t, err)
	closes := 0
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Close {
			if closes++; closes == 1 {
				return unix.EINTR
			}
		}
		return err
	}})
	err = f.Close()
	remove()
	if err != nil || closes != 1 {
		t.Errorf("closed %d times: %v", closes, err)
	}
}
