package sqlite

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
)

//go:embed peer.py
var peerProgram string

// peer starts lockfile's SQLiteLockFile on path, and on the database if there is
// one. It returns the name of its rows.
func peer(t testing.TB, path string, database ...string) (p *testproc.Proc, name string) {
	t.Helper()
	const python = "/usr/bin/python3" // that Debian's packages are for
	if err := exec.Command(python, "-c", "import lockfile.sqlitelockfile").Run(); err != nil {
		t.Skipf("no lockfile (apt-get install python3-lockfile): %v", err)
	}
	p = testproc.StartCommand(t, exec.Command(python, append([]string{"-c", peerProgram, path}, database...)...))
	return p, p.Line()
}

func do(p *testproc.Proc, command, answer string) {
	p.Say(command)
	p.Expect(answer)
}

func TestPeerExcludesAndIsExcluded(t *testing.T) {
	d, file, path := bed(t)
	p, name := peer(t, path, file)
	lock := d.Lock(path)
	h, err := lock.TryAcquire(bg)
	must(t, err)
	do(p, "try", "AlreadyLocked")
	do(p, "release", "NotMyLock")
	must(t, h.Release())
	do(p, "release", "NotLocked")
	do(p, "try", "done")
	_, err = lock.TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	s, err := lock.Inspect(bg)
	must(t, err)
	if r := s.Evidence().(row); r.name != name {
		t.Errorf("the row is %q, want %q", r.name, name)
	}
	if h := s.Holders[0]; h.PID != 0 && h.PID != p.PID() { // 0 where its number has no sign
		t.Errorf("the holder is %+v, want pid %d", h, p.PID())
	}
	do(p, "release", "done")
	must(t, lock.Do(bg, func(context.Context) error { return nil }))
}

func TestPeerBreaksAndIsBroken(t *testing.T) {
	d, file, path := bed(t)
	p, _ := peer(t, path, file)
	lock := d.Lock(path)
	h, err := lock.TryAcquire(bg)
	must(t, err)
	do(p, "break", "done")
	<-h.Lost()
	do(p, "try", "done")
	want(t, h.Release(), filelock.ErrLost)
	s, err := lock.Inspect(bg)
	must(t, err)
	p.Kill()
	must(t, lock.Break(bg, s))
	must(t, lock.Do(bg, func(context.Context) error { return nil }))
}

// TestPeerThatComesSecondGoesBack has it look, and see no row, before we have
// the lock, and add its own after that. Without the trigger it has the lock too.
func TestPeerThatComesSecondGoesBack(t *testing.T) {
	for _, trigger := range []bool{true, false} {
		d, file, path := bed(t)
		answer := "AlreadyLocked"
		if !trigger {
			_, err := d.db.Exec("DROP TRIGGER second")
			must(t, err)
			answer = "done"
		}
		p, _ := peer(t, path, file)
		do(p, "pause", "done")
		do(p, "try", "looked")
		h, err := d.Lock(path).TryAcquire(bg)
		must(t, err)
		do(p, "go on", answer)
		must(t, h.Release())
		if n := rows(t, d); trigger && n != 0 {
			t.Errorf("%d rows are left", n)
		}
	}
}

func TestPeerCountsWithUs(t *testing.T) {
	d, file, path := bed(t)
	counter := newCounter(t)
	const times = 10
	var all []*testproc.Proc
	for range 2 {
		p, _ := peer(t, path, file)
		p.Say("count " + counter + " " + strconv.Itoa(times))
		all = append(all, p, testproc.Start(t, "count", file, path, counter, strconv.Itoa(times)))
	}
	for _, p := range all {
		p.Expect("done")
	}
	wantCount(t, counter, 4*times)
	if n := rows(t, d); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// TestPeersOwnDatabaseExcludesNobody shows what lockfile does by itself.
func TestPeersOwnDatabaseExcludesNobody(t *testing.T) {
	_, _, path := bed(t)
	a, _ := peer(t, path)
	b, _ := peer(t, path)
	do(a, "try", "done")
	do(b, "try", "done")
}

// TestPeersDatabaseIsRefused, which goes when the peer does.
func TestPeersDatabaseIsRefused(t *testing.T) {
	file := t.TempDir() + "/peer.db"
	p, _ := peer(t, "x", file)
	d, err := Open(bg, file)
	if err == nil {
		d.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), "no such column: ") {
		t.Errorf("the error is %v", err)
	}
	must(t, p.Wait())
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
