package mark

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// TestMarkersAreLockedForWriting: NFS refuses an exclusive lock otherwise.
func TestMarkersAreLockedForWriting(t *testing.T) {
	for name, make := range removers {
		path, remove := make(t)
		locked := false
		uninstall := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op != fault.Lock {
				return nil
			}
			locked = true
			flags, err := unix.FcntlInt(descriptorOf(t, path), unix.F_GETFL, 0)
			if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
				t.Errorf("%s: the flags are %x, %v", name, flags, err)
			}
			return nil
		}})
		removed, err := remove()
		uninstall()
		if !removed || err != nil || !locked {
			t.Errorf("%s: %v, %v, locked %v", name, removed, err, locked)
		}
	}
}

// TestLaw07ServerIsAskedWhereTheNameLeads: what it has said before may be of a marker
// that others have removed since.
func TestLaw07ServerIsAskedWhereTheNameLeads(t *testing.T) {
	t.Setenv("TMPDIR", "/dev/shm") // on no disk, so it may be a server's
	for name, make := range removers {
		asked := map[fault.Op]string{fault.Lock: "", fault.Stat: "", fault.Lstat: "", fault.Unlink: ""}
		var order []fault.Op
		uninstall := fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
			if _, ok := asked[op]; ok {
				asked[op] = path
				order = append(order, op)
			}
			return nil
		}})
		path, remove := make(t)
		removed, err := remove()
		uninstall()
		last := order[max(0, len(order)-4):]
		if !removed || err != nil || !slices.Equal(last, []fault.Op{fault.Lock, fault.Stat, fault.Lstat, fault.Unlink}) {
			t.Errorf("%s: %v, %v, by %v", name, removed, err, order)
		}
		if asked[fault.Stat] != filepath.Dir(path)+"/" || asked[fault.Lstat] != path {
			t.Errorf("%s: %v", name, asked)
		}
	}
}

// TestLaw20ServerIsAskedWhetherTheMarkerIsThere: others may have removed it since they
// were last heard of.
func TestLaw20ServerIsAskedWhetherTheMarkerIsThere(t *testing.T) {
	t.Setenv("TMPDIR", "/dev/shm") // on no disk, so it may be a server's
	path, _ := leave(t)
	uninstall := fault.Install(&fault.Plan{Before: func(op fault.Op, asked string) error {
		if op == fault.Stat && asked == filepath.Dir(path)+"/" {
			return os.Remove(path) // the name that was believed in
		}
		return nil
	}})
	defer uninstall()
	if _, err := There(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is gone: %v", err)
	}
}

// descriptorOf returns the descriptor that this process has of the file path.
func descriptorOf(t *testing.T, path string) uintptr {
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == path {
			n, err := strconv.Atoi(fd.Name())
			must(t, err)
			return uintptr(n)
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}
