package holders

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
)

// TestLockIsFoundAmongOthersThatComeAndGo has so many of them that /proc/locks
// is read in parts.
func TestLockIsFoundAmongOthersThatComeAndGo(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		return f
	}
	var others []*os.File
	for i := range 200 {
		others = append(others, open(fmt.Sprint("before", i)))
	}
	file := open("steady")
	steady, err := sys.InfoOf(file)
	if err != nil {
		t.Fatal(err)
	}
	waiter := testproc.Start(t, "block", file.Name())
	waiter.Expect("ready")
	for i := range 200 {
		others = append(others, open(fmt.Sprint("after", i)))
	}
	var churn sync.WaitGroup
	stop := make(chan struct{})
	churn.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			fd := int(others[i%len(others)].Fd())
			unix.Flock(fd, unix.LOCK_UN)
			unix.Flock(fd, unix.LOCK_EX)
		}
	})
	for i := range 60 {
		locks, err := List(steady.ID, Flock)
		if err != nil || len(locks) != 1 || locks[0].PID != os.Getpid() {
			t.Errorf("look %d: %v, %v", i, locks, err)
			break
		}
		if pids := Blocked(steady.ID, Flock); !slices.Equal(pids, []int{waiter.PID()}) {
			t.Errorf("look %d: blocked are %v", i, pids)
			break
		}
	}
	close(stop)
	churn.Wait()
}
