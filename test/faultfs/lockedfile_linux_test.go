package faultfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() { roles["add"] = add }

// changes are what changes a file as a whole, from "old" to "new".
var changes = map[string]func(path string) error{
	"Write": func(path string) error {
		return lockedfile.Write(bg, path, strings.NewReader("new"), 0o666)
	},
	"Transform": func(path string) error {
		return lockedfile.Transform(bg, path, func(old []byte) ([]byte, error) {
			if string(old) != "old" {
				return nil, fmt.Errorf("it is %q", old)
			}
			return []byte("new"), nil
		})
	},
}

// TestEachFaultLeavesAFileWhole has a file changed, and read, while each thing goes
// wrong: it is the old one or the new one, and the next change succeeds.
func TestEachFaultLeavesAFileWhole(t *testing.T) {
	b := newBed(t, 0)
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			f := changedFile{T: t, bed: b, path: filepath.Join(b.dir, name), change: change}
			for _, w := range wrong {
				everyWay(w.op, w.errnos, f.suffer)
			}
			t.Logf("%d faults in %d changes: %d failed, %d of them with the new content", f.struck, f.trials, f.failed, f.new)
			if f.failed == 0 || f.new == 0 {
				t.Error("the faults do not reach the file")
			}
		})
	}
}

// A changedFile is a file that is changed while things go wrong.
type changedFile struct {
	*testing.T
	bed    *bed
	path   string
	change func(path string) error

	trials, struck, failed, new int
}

// suffer has wrong befall a change, and returns how often it has struck.
func (f *changedFile) suffer(wrong Fault) (struck int) {
	f.Helper()
	must(f, lockedfile.Write(bg, f.path, strings.NewReader("old"), 0o666))
	before := locktest.Descriptors(f)
	f.bed.fail(wrong)
	err := f.change(f.path)
	content, errRead := lockedfile.Read(bg, f.path)
	struck = f.bed.heal()
	f.trials++
	f.struck += struck
	if errRead == nil {
		f.wantWhole(string(content), err, wrong)
	}
	for _, err := range []error{err, errRead} {
		if err != nil && (struck == 0 || !errors.Is(err, wrong.Errno) || !strings.Contains(err.Error(), f.path)) {
			f.Errorf("%+v has struck %d times, and the error is: %v", wrong, struck, err)
		}
	}
	must(f, filelock.ReleaseAll())
	if now := locktest.Descriptors(f); now != before {
		f.Errorf("%+v: %d descriptors are open, %d before", wrong, now, before)
	}
	left, err2 := os.ReadFile(f.path)
	must(f, err2)
	f.wantWhole(string(left), err, wrong)
	if err != nil {
		f.failed++
		if string(left) == "new" {
			f.new++
		}
	}
	must(f, lockedfile.Write(bg, f.path, strings.NewReader("next"), 0o666))
	if _, err := os.Lstat(f.path + ".lock.new"); !errors.Is(err, fs.ErrNotExist) {
		f.Errorf("%+v: the temporary file outlives the next change: %v", wrong, err)
	}
	return struck
}

// wantWhole makes sure that a change that has ended with err has left a content.
func (f *changedFile) wantWhole(content string, err error, wrong Fault) {
	f.Helper()
	if content != "new" && (content != "old" || err == nil) {
		f.Errorf("%+v: after a change with %v the content is %q", wrong, err, content)
	}
}

// add is a process that adds one to the number in a file until it is told to stop,
// and then prints how often that succeeded and how often it did not.
func add(args []string) error {
	ctx, cancel := context.WithCancel(bg)
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	fmt.Println("ready")
	var added, failed int
	for ctx.Err() == nil {
		err := lockedfile.Transform(ctx, args[0], plusOne)
		switch errno := syscall.Errno(0); {
		case err == nil:
			added++
		case ctx.Err() != nil || errors.As(err, &errno) || strings.Contains(err.Error(), "in the way"):
			failed++
		default:
			return err
		}
	}
	fmt.Println(added, failed)
	return nil
}

func plusOne(old []byte) ([]byte, error) {
	n, err := strconv.Atoi(string(old))
	if err != nil {
		return nil, fmt.Errorf("there is no number in the file: %w", err)
	}
	return strconv.AppendInt(nil, int64(n)+1, 10), nil
}

// TestFileIsWholeThroughRandomFaults has processes add to a number while everything
// goes wrong now and then, and kills some. None of what they were told to have
// added is lost, and no more is in the file than what they tried.
func TestFileIsWholeThroughRandomFaults(t *testing.T) {
	b := newBed(t, 0)
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 2))
	path := filepath.Join(b.dir, "number")
	must(t, lockedfile.Write(bg, path, strings.NewReader("0"), 0o666))
	procs := make([]*testproc.Proc, 3)
	for i := range procs {
		procs[i] = testproc.Start(t, "add", path)
		procs[i].Expect("ready")
	}
	faults := 0
	for end := time.Now().Add(locktest.Seconds(t, 3)); time.Now().Before(end); {
		b.carryOut(Plan{Faults: randomFaults(r), Seed: r.Uint64()})
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond) // a random number of faults
		faults += b.heal()
	}
	for _, p := range procs {
		p.Say("stop")
	}
	var added, failed int
	for _, p := range procs {
		var a, f int
		must(t, p.Wait())
		if _, err := fmt.Sscan(p.Rest(), &a, &f); err != nil {
			t.Fatal(err)
		}
		added += a
		failed += f
	}
	content, err := lockedfile.Read(bg, path)
	must(t, err)
	n, err := strconv.Atoi(string(content))
	must(t, err)
	t.Logf("%d faults: %d additions succeeded, %d failed, and the number is %d", faults, added, failed, n)
	if n < added || n > added+failed {
		t.Error("what was added is lost, or was added twice")
	}
	if faults == 0 || added == 0 || failed == 0 {
		t.Error("that is not much of a test")
	}
}
