package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { roles["crowd"] = crowd }

// crowd is a process that has thousands of files open, and thousands of shared locks
// of the file at a path, and of others beside it.
func crowd(args []string) error {
	const files, locks, others = 12_000, 2_500, 500
	for range files {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
	}
	for i := range locks + others {
		path := args[0]
		if i >= locks {
			path = fmt.Sprint(path, i)
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return err
		}
		if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
			return err
		}
	}
	fmt.Println("locked")
	os.Stdin.Read(make([]byte, 1))
	return nil
}

// TestHolderOfThousandsOfLocksIsFound in time that does not grow with the square of
// their number: in a minute it could not be.
func TestHolderOfThousandsOfLocksIsFound(t *testing.T) {
	const needed = 16_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Max < needed {
		t.Skipf("no process may have %d files open here (ulimit -Hn)", needed)
	}
	p := newPlace(t, meetings["sticky"])
	lock := filepath.Join(p.dir, "x.lock")
	n := p.start(t, stranger, "crowd", lock)
	n.Expect("locked")
	for _, args := range [][]string{{"status", lock}, {"run", "-w", "0.1", lock, "true"}, {"list", p.dir}} {
		want := 1
		if args[0] == "list" {
			want = 0
		}
		if status, said := p.call(t, root, args...); status != want {
			t.Errorf("%q ends with %d: %.500s", args, status, said)
		}
	}
}
