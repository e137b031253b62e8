package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// kind is the kind of lock that the contract is about. The database of a path
// stands beside its directory.
var kind = locktest.Kind{
	Name: "sqlite",
	New: func(path string, opts ...filelock.FileOption) locktest.Lock {
		return beside(path).Lock(path, locktest.Options(opts)...)
	},
	CanBreak: true, Inspects: true, NoFile: true, Outlives: true, HasTokens: true,
}

var roles = locktest.Roles(kind)

func init() {
	roles["count"] = count
	roles["log"] = logNumbers
}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

// opened are the databases of the contract's locks, by their paths.
var opened = struct {
	sync.Mutex
	databases map[string]*Database
	noPath    string
}{databases: map[string]*Database{}}

func beside(path string) *Database {
	opened.Lock()
	defer opened.Unlock()
	name := filepath.Dir(path) + ".db"
	if path == "" {
		name = opened.noPath
	}
	d := opened.databases[name]
	if d == nil {
		var err error
		if d, err = Open(bg, name); err != nil {
			panic(err)
		}
		opened.databases[name] = d
	}
	return d
}

func TestContract(t *testing.T) {
	opened.noPath = filepath.Join(t.TempDir(), "locks.db")
	locktest.Run(t, kind)
	for _, d := range opened.databases {
		must(t, d.Close())
	}
}

var bg = context.Background()

var must, want = verify.NoError, verify.Is

func open(t testing.TB, path string) *Database {
	t.Helper()
	d, err := Open(bg, path)
	must(t, err)
	t.Cleanup(func() { must(t, d.Close()) })
	return d
}

// bed returns a new database, its path, and the path of something to lock.
func bed(t testing.TB) (d *Database, file, path string) {
	dir := t.TempDir()
	file = filepath.Join(dir, "locks.db")
	return open(t, file), file, filepath.Join(dir, "x")
}

// keepBusy has somebody write for longer than one statement would wait.
func keepBusy(t testing.TB, d *Database) (tx *sql.Tx) {
	t.Helper()
	tx, err := d.db.Begin()
	must(t, err)
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

func TestOpenWaitsForABusyDatabase(t *testing.T) {
	d, file, _ := bed(t)
	tx := keepBusy(t, d)
	ctx, cancel := context.WithTimeout(bg, 3*busyTimeout)
	defer cancel()
	busy, err := Open(ctx, file)
	if err == nil {
		busy.Close()
		t.Fatal("it was opened")
	}
	if ctx.Err() == nil {
		t.Errorf("Open gave up: %v", err)
	}
	must(t, tx.Rollback())
	open(t, file)
}

func TestAcquisitionWaitsForABusyDatabase(t *testing.T) {
	defer func(old time.Duration) { patience = old }(patience)
	patience = time.Millisecond
	d, _, path := bed(t)
	tx := keepBusy(t, d)
	_, err := d.Lock(path).TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	waiting, got := make(chan struct{}), make(chan error, 1)
	go func() {
		got <- d.Lock(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Do(bg, func(context.Context) error { return nil })
	}()
	select {
	case <-waiting:
	case err := <-got:
		t.Fatalf("there was no wait: %v", err)
	}
	must(t, tx.Rollback())
	must(t, <-got)
}

// TestTimeoutIsHeardThoughTheDatabaseIsBusy: the patience is as good as endless.
func TestTimeoutIsHeardThoughTheDatabaseIsBusy(t *testing.T) {
	defer func(old time.Duration) { patience = old }(patience)
	patience = time.Hour
	d, _, path := bed(t)
	keepBusy(t, d)
	_, err := d.Lock(path).Acquire(bg, filelock.WithTimeout(3*busyTimeout))
	want(t, err, filelock.ErrTimeout)
	ctx, cancel := context.WithTimeout(bg, 3*busyTimeout)
	defer cancel()
	_, err = d.Lock(path).TryAcquire(ctx)
	want(t, err, context.DeadlineExceeded)
}

func rows(t testing.TB, d *Database) (n int) {
	t.Helper()
	must(t, d.db.QueryRow("SELECT count(*) FROM locks").Scan(&n))
	return n
}

// increment adds 1 to the number in a file, which takes two steps.
func increment(path string) (n int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	if n, err = strconv.Atoi(string(text)); err != nil {
		return 0, err
	}
	return n + 1, os.WriteFile(path, strconv.AppendInt(nil, int64(n+1), 10), 0o644)
}

func newCounter(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "counter")
	must(t, os.WriteFile(path, []byte("0"), 0o644))
	return path
}

func wantCount(t testing.TB, path string, want int) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if string(text) != strconv.Itoa(want) {
		t.Errorf("the count is %s, want %d", text, want)
	}
}

// count is a process that counts under a lock. Its arguments are the database,
// the path, the counter and how often.
func count(args []string) error {
	d, err := Open(bg, args[0])
	if err != nil {
		return err
	}
	defer d.Close()
	times, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	lock := d.Lock(args[1], filelock.WithPollInterval(time.Millisecond))
	for range times {
		err := lock.Do(bg, func(context.Context) error {
			_, err := increment(args[2])
			return err
		})
		if err != nil {
			return err
		}
	}
	fmt.Println("done")
	return nil
}

func TestProcessesExcludeEachOther(t *testing.T) {
	d, file, path := bed(t)
	counter := newCounter(t)
	const processes, times = 6, 30
	var all []*testproc.Proc
	for range processes {
		all = append(all, testproc.Start(t, "count", file, path, counter, strconv.Itoa(times)))
	}
	for _, p := range all {
		p.Expect("done")
		must(t, p.Wait())
	}
	wantCount(t, counter, processes*times)
	if n := rows(t, d); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// logNumbers is a process that adds to a list of numbers for as long as it lives,
// and says when it has begun to take turns. A number that is in the list twice is
// one that two have come to together.
func logNumbers(args []string) error {
	d, err := Open(bg, args[0])
	if err != nil {
		return err
	}
	list, err := os.OpenFile(args[2], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	lock := d.Lock(args[1], filelock.WithPollInterval(time.Millisecond))
	for held := 1; ; held++ {
		err := lock.Do(bg, func(context.Context) error {
			at, err := list.Stat()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(list, numberFormat, at.Size()/numberSize+1)
			if held == 5 {
				fmt.Println("begun")
			}
			return err
		})
		if err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // or the other, whom SQLite gives no turn, finds no moment for a long time on a slow disk
	}
}

const (
	numberFormat = "%7d\n"
	numberSize   = 8
)

// TestKilledProcessesNeverHoldTogether kills one of two processes that contend,
// again and again, and breaks its lock if it had it.
func TestKilledProcessesNeverHoldTogether(t *testing.T) {
	d, file, path := bed(t)
	list := filepath.Join(t.TempDir(), "list")
	must(t, os.WriteFile(list, nil, 0o644))
	broken, n := 0, locktest.Kills(t, 100)
	start := func() *testproc.Proc { return testproc.Start(t, "log", file, path, list) }
	a, b := start(), start()
	for range n {
		a.Expect("begun")
		time.Sleep(rand.N(10 * time.Millisecond)) // to kill it anywhere
		a.Kill()
		s, err := d.Lock(path).Inspect(bg)
		must(t, err)
		if s.Held && s.Holders[0].PID == a.PID() {
			must(t, d.Lock(path).Break(bg, s))
			broken++
		}
		a, b = b, start()
	}
	a.Kill()
	b.Kill()
	text, err := os.ReadFile(list)
	must(t, err)
	i := 0
	for line := range strings.Lines(string(text)) {
		if i++; line != fmt.Sprintf(numberFormat, i) {
			t.Fatalf("%q is number %d", line, i)
		}
	}
	if i < n {
		t.Errorf("only %d numbers", i)
	}
	t.Logf("%d kills, %d locks broken, %d numbers", n, broken, i)
}

func TestRowOfAKilledHolderStaysUntilItIsBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	p := kind.Elsewhere(t, path)
	p.Kill()
	d := open(t, filepath.Dir(path)+".db")
	lock := d.Lock(path)
	_, err := lock.Acquire(bg, filelock.WithTimeout(200*time.Millisecond))
	want(t, err, filelock.ErrTimeout)
	host, err := os.Hostname()
	must(t, err)
	s, err := lock.Inspect(bg)
	must(t, err)
	if !s.Held || s.Stale || s.Token != 1 || len(s.Holders) != 1 || s.Holders[0].PID != p.PID() || s.Holders[0].Host != host {
		t.Errorf("the state is %+v", s)
	}
	waiting, got := make(chan struct{}), make(chan error)
	go func() {
		got <- d.Lock(path, filelock.WithLogger(locktest.WhenWaiting(waiting))).Do(bg, func(context.Context) error { return nil })
	}()
	<-waiting
	must(t, lock.Break(bg, s))
	must(t, <-got)
}

// TestLaw07OnlyTheInspectedRowIsRemoved has other rows that are nearly the same.
func TestLaw07OnlyTheInspectedRowIsRemoved(t *testing.T) {
	d, _, path := bed(t)
	other, _, _ := bed(t)
	lock := d.Lock(path)
	h, err := lock.TryAcquire(bg)
	must(t, err)
	s, err := lock.Inspect(bg)
	must(t, err)
	must(t, h.Release())
	h, err = lock.TryAcquire(bg)
	must(t, err)
	elsewhere, err := other.Lock(path).TryAcquire(bg)
	must(t, err)
	want(t, lock.Break(bg, s), filelock.ErrLost)
	want(t, other.Lock(path).Break(bg, s), filelock.ErrLost) // where the number is in use
	want(t, d.Lock(path+"2").Break(bg, s), fs.ErrInvalid)
	want(t, lock.Break(bg, filelock.State{Held: true}), fs.ErrInvalid)
	must(t, h.Release())
	must(t, elsewhere.Release())
}

func TestLaw13LossIsTold(t *testing.T) {
	d, _, path := bed(t)
	err := d.Lock(path).Do(bg, func(ctx context.Context) error {
		_, err := d.db.Exec("DELETE FROM locks")
		must(t, err)
		<-ctx.Done()
		want(t, context.Cause(ctx), filelock.ErrLost)
		return nil
	})
	want(t, err, filelock.ErrLost)
}

// TestLaw17CancelledAcquisitionLeavesNothing ends acquisitions while somebody
// writes to the database, which keeps them waiting for a while.
func TestLaw17CancelledAcquisitionLeavesNothing(t *testing.T) {
	d, _, path := bed(t)
	ended := 0
	for i := range 100 {
		tx, err := d.db.Begin()
		must(t, err)
		ctx, cancel := context.WithCancel(bg)
		time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
		time.AfterFunc(time.Millisecond, func() { tx.Rollback() })
		h, err := d.Lock(path).Acquire(ctx)
		if err == nil {
			must(t, h.Release())
		} else {
			want(t, err, context.Canceled)
			ended++
		}
		cancel()
		tx.Rollback()
		if n := rows(t, d); n != 0 {
			t.Fatalf("%d rows are left after %v", n, err)
		}
	}
	t.Logf("%d of 100 were cancelled", ended)
}

// TestLaw18FailedReleaseCanBeRepeated has the table be away.
func TestLaw18FailedReleaseCanBeRepeated(t *testing.T) {
	d, _, path := bed(t)
	h, err := d.Lock(path).TryAcquire(bg)
	must(t, err)
	_, err = d.db.Exec("ALTER TABLE locks RENAME TO away")
	must(t, err)
	if err := h.Release(); err == nil || errors.Is(err, filelock.ErrLost) {
		t.Errorf("Release returned %v", err)
	}
	_, err = d.db.Exec("ALTER TABLE away RENAME TO locks")
	must(t, err)
	must(t, h.Release())
	if n := rows(t, d); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

func TestRowsOfStrangersAreHeld(t *testing.T) {
	d, _, path := bed(t)
	for i, c := range []struct {
		name string
		want filelock.Holder
	}{
		{"/d/host-7f.4242-17", filelock.Holder{Host: "host", PID: 4242}},
		{"/d/a-b.c-0.1-1", filelock.Holder{Host: "a-b.c", PID: 1}},
		{"/d/host-7f.424217", filelock.Holder{}}, // 42 and 4217, for all that is known
		{"/d/host.4242-17", filelock.Holder{}},
		{"/d/host-0.99999999999-1", filelock.Holder{}},
		{"", filelock.Holder{}},
		{"\x00\n';--", filelock.Holder{}},
	} {
		_, err := d.db.Exec("INSERT INTO locks (lock_file, unique_name) VALUES (?, ?)", path+".lock", c.name)
		must(t, err)
		_, err = d.Lock(path).TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		s, err := d.Lock(path).Inspect(bg)
		if err != nil || !s.Held || s.Stale || s.Token != uint64(i+1) || len(s.Holders) != 1 || s.Holders[0] != c.want {
			t.Errorf("%q: %+v, %v", c.name, s, err)
		}
		must(t, d.Lock(path).Break(bg, s))
	}
}

func TestNoDatabaseAtThePath(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	must(t, os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o644))
	for _, path := range []string{filepath.Join(dir, "missing", "locks.db"), dir, text} {
		d, err := Open(bg, path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v, %v", path, d, err)
		}
	}
	odd := filepath.Join(dir, "a b?c%20#d.db")
	must(t, open(t, odd).Lock("x").Do(bg, func(context.Context) error { return nil }))
	if _, err := os.Stat(odd); err != nil {
		t.Error(err)
	}
}
