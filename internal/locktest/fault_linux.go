package locktest

import (
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// A NthFails fails the nth file operation with EIO.
type NthFails struct {
	N       int
	Late    bool     // the operation takes place all the same
	Reached fault.Op // the operation that failed

	mu    sync.Mutex
	count int
}

// Install puts the plan in force until the returned function is called.
func (p *NthFails) Install() (remove func()) {
	return fault.Install(&fault.Plan{
		Before: func(op fault.Op, _ string) error { return p.fail(op, op != fault.Close && !p.Late) },
		After: func(op fault.Op, _ string, err error) error {
			// A close that fails has closed the file nevertheless.
			if err != nil {
				return err
			}
			return p.fail(op, op == fault.Close || p.Late && canFailAfter[op])
		},
	})
}

// canFailAfter holds the operations that can be done and yet reported as
// failed, as by a server whose reply is lost. An open that is reported as
// failed leaves no descriptor.
var canFailAfter = map[fault.Op]bool{
	fault.Lock: true, fault.Unlock: true, fault.Write: true, fault.Truncate: true,
	fault.Chmod: true, fault.Link: true, fault.Unlink: true, fault.Rename: true,
	fault.Symlink: true, fault.Rmdir: true,
}

func (p *NthFails) fail(op fault.Op, applies bool) error {
	if !applies {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count++; p.count != p.N {
		return nil
	}
	p.Reached = op
	return unix.EIO
}

// Descriptors counts the open files of this process, but for the inotify
// instance, which lingers.
func Descriptors(t testing.TB) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to != "anon_inode:inotify" {
			n++
		}
	}
	return n
}
