package locktest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A Scene is what the processes of a test work on: a lock, and the files that
// show whether it does what it should.
type Scene struct{ Dir string }

// NewScene returns a scene where nobody has counted yet.
func NewScene(t testing.TB) Scene { return NewSceneIn(t, t.TempDir()) }

// NewSceneIn is NewScene in a directory that is there.
func NewSceneIn(t testing.TB, dir string) Scene {
	s := Scene{dir}
	s.Reset(t)
	return s
}

// Reset has a scene be one where nobody has counted yet, while nobody is at it.
// Its notes are emptied, and may stay open.
func (s Scene) Reset(t testing.TB) {
	t.Helper()
	must(t, os.WriteFile(s.counter(), make([]byte, 8), 0o666))
	logs, err := filepath.Glob(s.logs())
	must(t, err)
	for _, name := range logs {
		must(t, os.Truncate(name, 0))
	}
	dead, err := filepath.Glob(s.inside() + "*")
	must(t, err)
	for _, name := range dead {
		must(t, os.Remove(name))
	}
}

// Lock returns the path of the lock.
func (s Scene) Lock() string { return filepath.Join(s.Dir, "x.lock") }

func (s Scene) counter() string { return filepath.Join(s.Dir, "counter") }
func (s Scene) inside() string  { return filepath.Join(s.Dir, "inside") }
func (s Scene) logs() string    { return filepath.Join(s.Dir, "log.*") }

// enter makes the file inside, with this process's id and start in it, or fails
// if somebody else is inside.
func (s Scene) enter() error {
	self := procid.Self()
	own := fmt.Sprintf("%s.%d", s.inside(), self.PID)
	if err := os.WriteFile(own, fmt.Appendln(nil, self.PID, self.Start), 0o666); err != nil {
		return err
	}
	err := os.Link(own, s.inside())
	if !errors.Is(err, fs.ErrExist) {
		return errors.Join(err, os.Remove(own))
	}
	if err := s.deserted(); err != nil {
		return err
	}
	return os.Rename(own, s.inside())
}

// deserted makes sure that whoever has made the file inside was killed, and is
// not inside. Of a process that is being killed the locks are gone before the
// process is, so that may take a moment; somebody who is inside leaves.
func (s Scene) deserted() error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		other, err := os.ReadFile(s.inside())
		if err != nil {
			return fmt.Errorf("two have the lock: the other one has just left: %w", err)
		}
		id := procid.ID{Space: procid.Self().Space}
		if n, err := fmt.Sscanln(string(other), &id.PID, &id.Start); n == 0 { // the start may be unknown
			return err
		}
		if id.Dead() {
			return nil
		}
	}
	return errors.New("two have the lock: the other one is inside")
}

// Look is a piece of work under a shared lock. It makes sure that nobody counts
// meanwhile.
func (s Scene) Look() error {
	before, err := os.ReadFile(s.counter())
	if err != nil {
		return err
	}
	if _, err := os.Lstat(s.inside()); !errors.Is(err, fs.ErrNotExist) {
		if err = errors.Join(err, s.deserted()); err != nil {
			return err
		}
	}
	after, err := os.ReadFile(s.counter())
	if err == nil && !bytes.Equal(before, after) {
		err = errors.New("somebody counts under a shared lock")
	}
	return err
}

// Count is one piece of work under the lock. It makes sure that nobody else is
// at it, adds one to the counter, and notes the number that it came to.
func (s Scene) Count(log io.Writer) error {
	if err := s.enter(); err != nil {
		return err
	}
	c, err := os.OpenFile(s.counter(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [8]byte
	_, err = c.ReadAt(b[:], 0)
	if err == nil {
		n := binary.BigEndian.Uint64(b[:]) + 1
		binary.BigEndian.PutUint64(b[:], n)
		_, err = c.WriteAt(b[:], 0)
		fmt.Fprintln(log, n)
	}
	return errors.Join(err, c.Close(), os.Remove(s.inside()))
}

// Log opens the notes of a process.
func (s Scene) Log(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(s.Dir, "log."+name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
}

// counting is a process that counts in several goroutines until it is killed.
// Its arguments are the directory, the number of goroutines and its own number.
func (k Kind) counting(args []string) error {
	s := Scene{args[0]}
	goroutines, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	log, err := s.Log(args[2])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error)
	for range goroutines {
		go func() {
			l := k.New(s.Lock())
			for {
				if err := l.Do(context.Background(), func(context.Context) error { return s.Count(log) }); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// Counting starts the ith process of those that count in s, in so many
// goroutines, until they are killed.
func (k Kind) Counting(t testing.TB, s Scene, goroutines, i int) *testproc.Proc {
	t.Helper()
	p := testproc.Start(t, "count "+k.Name, s.Dir, strconv.Itoa(goroutines), strconv.Itoa(i))
	p.Expect("ready")
	return p
}

// Value returns what the counter is at.
func (s Scene) Value(t testing.TB) uint64 {
	t.Helper()
	b, err := os.ReadFile(s.counter())
	if err != nil || len(b) != 8 {
		t.Fatalf("the counter is %v, %v", b, err)
	}
	return binary.BigEndian.Uint64(b)
}

// Check compares the counter with the notes of the processes, of which one may
// be missing for each kill: between counting and noting.
func (s Scene) Check(t testing.TB, kills int) {
	t.Helper()
	total := s.Value(t)
	seen := map[uint64]string{}
	logs, err := filepath.Glob(s.logs())
	must(t, err)
	for _, name := range logs {
		f, err := os.Open(name)
		must(t, err)
		for in := bufio.NewScanner(f); in.Scan(); {
			n, err := strconv.ParseUint(in.Text(), 10, 64)
			must(t, err)
			if other, ok := seen[n]; ok {
				t.Errorf("%s and %s both counted %d", other, name, n)
			}
			seen[n] = name
			if n < 1 || n > total {
				t.Errorf("%s counted %d, but the counter is at %d", name, n, total)
			}
		}
		must(t, f.Close())
	}
	if missing := int(total) - len(seen); missing < 0 || missing > kills {
		t.Errorf("of %d counts %d are not noted, after %d kills", total, missing, kills)
	}
	t.Logf("%d counts, %d kills", total, kills)
}
