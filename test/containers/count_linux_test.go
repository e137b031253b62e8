package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() { roles["count"] = count }

// count counts under a lock for a while, in two goroutines, each number on a line.
// It does so some times however slow that is.
// Its arguments are the kind, the path and how long.
func count(args []string) error {
	k, path := kindNamed(args[0]), args[1]
	d, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(bg, 5*time.Minute)
	defer cancel()
	var errs [2]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			l := k.New(path)
			for begin, n := time.Now(), 0; errs[i] == nil && (n < 20 || time.Since(begin) < d); n++ {
				errs[i] = l.Do(ctx, func(context.Context) error { return addOne(path + ".counter") })
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs[:], filelock.ReleaseAll())...) // claims may have been kept
}

// width is that of the counter: whoever is killed leaves no half of it.
const width = 10

// addOne adds one to a counter and says what that makes. It fails if somebody
// else is at it: the system tells, by another lock, and knows when that one dies.
func addOne(counter string) error {
	f, err := os.OpenFile(counter, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("two have the lock: %w", err)
	}
	b, n := make([]byte, width), 0
	if _, err := f.ReadAt(b, 0); err == nil {
		n, err = strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return err
		}
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%*d", width, n+1), 0)
	fmt.Println(n + 1)
	return err
}

// A tally is what the processes of a test have counted.
type tally struct {
	t    *testing.T
	seen map[int]bool
}

// add adds what a process has said until it ended.
func (a tally) add(said string) {
	for _, line := range strings.Fields(said) {
		n, err := strconv.Atoi(line)
		must(a.t, err)
		if a.seen[n] {
			a.t.Errorf("two counted %d", n)
		}
		a.seen[n] = true
	}
}

// check compares it with the counter, and removes that. One that was killed may
// not have said what it had counted.
func (a tally) check(path string, kills int) {
	a.t.Helper()
	b, err := os.ReadFile(path + ".counter")
	must(a.t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(a.t, err)
	if missing := n - len(a.seen); missing < 0 || missing > kills {
		a.t.Errorf("of %d counts %d were not said, after %d kills", n, missing, kills)
	}
	must(a.t, os.Remove(path+".counter"))
}

// TestContainersExcludeEachOther has three containers and the outside count under
// one lock. In each of the three it is the first process that does, and all hosts
// have one name.
func TestContainersExcludeEachOther(t *testing.T) {
	d := locktest.Seconds(t, 1)
	for _, k := range those(shared) {
		path, total := folder(t), tally{t, map[int]bool{}}
		var procs []*testproc.Proc
		for _, b := range []box{container, container, container, {}} {
			procs = append(procs, b.start(t, "count", k.Name, path, d.String()))
		}
		for i, p := range procs {
			total.add(p.Rest())
			if err := p.Wait(); err != nil {
				t.Errorf("%s: process %d failed: %v", k.Name, i, err)
			}
		}
		total.check(path, 0)
		t.Logf("%s: %d counts", k.Name, len(total.seen))
		clean(t, k, path)
	}
}
