package locktest

import (
	"os"
	"testing"
)

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
