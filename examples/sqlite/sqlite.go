// Package sqlite is a kind of lock of one's own: a row in an SQLite database.
// It shows what [filelock.NewLock] wants of a kind, and what comes with it for
// nothing: owners and nesting, a queue, timeouts, contexts, deadlocks, and errors
// that name the holder.
//
//	db, err := sqlite.Open(ctx, "locks.db")
//	…
//	defer db.Close()
//	err = db.Lock("report.txt", filelock.WithTimeout(time.Minute)).Do(ctx, write)
//
// What a kind has to know is how to take, look at, give back and break one lock.
// Here each of these is one statement of SQL, which the database makes atomic.
//
// # Who else sees the rows
//
// The table is that of class SQLiteLockFile in Python's lockfile 0.12, which the
// lock of a path excludes, and is excluded by, if it is told of the database:
//
//	lockfile.sqlitelockfile.SQLiteLockFile.testdb = "/path/to/locks.db"
//
// Otherwise it uses a temporary database that no other process knows, and
// excludes nobody. Nor does it exclude its like in a shared one: it looks whether
// there is a row, adds its own after that, and believes it has the lock unless
// it then finds two rows of its own. So [Open] adds a trigger, which doubles
// every row that comes second. A database that lockfile has made is refused: it
// has no numbers, and lockfile removes it when it ends.
//
// # When a holder dies
//
// Its row stays. [filelock.Lock.Inspect] shows whose it is, and
// [filelock.Lock.Break] removes that very row, which its number tells from all
// later ones. Nothing is broken by itself: a row says nothing of the boot or the
// container of its process, so its death cannot be proved. A holder that is
// alive and whose row has gone is told within a second or so.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/gofilelock/filelock"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The numbers rise and are never given twice: they are fencing tokens, and tell
// one hold from another. lockfile, which names the columns that it fills, takes
// no notice.
const schema = `
CREATE TABLE IF NOT EXISTS locks (
	lock_file   varchar(32),
	unique_name varchar(32),
	id          integer PRIMARY KEY AUTOINCREMENT
);
CREATE TRIGGER IF NOT EXISTS second AFTER INSERT ON locks
WHEN EXISTS (SELECT 1 FROM locks WHERE lock_file = NEW.lock_file AND id < NEW.id)
BEGIN
	INSERT INTO locks (lock_file, unique_name) VALUES (NEW.lock_file, NEW.unique_name);
END;
SELECT id FROM locks LIMIT 0; -- fails if the table is lockfile's own`

// A Database holds locks.
type Database struct {
	path string
	db   *sql.DB
}

// Others write for milliseconds, but nothing gives those who wait a turn.
const busyTimeout = 100 * time.Millisecond // of one statement, which hears no context meanwhile

var patience = 9 * time.Second // of all statements that are made for one purpose

// Open opens the database at path, and makes it if there is none. It waits while
// others keep the database busy, until ctx ends. Whoever may write to it may
// break its locks.
func Open(ctx context.Context, path string) (*Database, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// Who writes first and then again has to say so at the beginning, or they
	// would wait for each other.
	file := url.URL{Path: filepath.ToSlash(path)}
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_txlock=immediate", file.EscapedPath(), busyTimeout.Milliseconds()))
	if err != nil {
		return nil, err
	}
	d := &Database{path, db}
	for {
		err := d.prepare(ctx)
		if err == nil {
			return d, nil
		}
		if !isBusy(err) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
		}
	}
}

// prepare makes the table and the trigger, or neither.
func (d *Database) prepare(ctx context.Context) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the database, which its locks cannot do without. Release them
// first.
func (d *Database) Close() error { return d.db.Close() }

// Lock returns the lock of path, which does not have to exist. It is never
// shared.
func (d *Database) Lock(path string, opts ...filelock.Option) *filelock.Lock {
	return filelock.NewLock(&backend{d, path}, opts...)
}

// A backend is the [filelock.Backend] of one path.
type backend struct {
	*Database
	path string
}

// Path is what errors call the lock.
func (b *backend) Path() string { return b.path }

// lockFile is what lockfile calls the lock.
func (b *backend) lockFile() (string, error) {
	if b.path == "" {
		return "", fmt.Errorf("%w: the lock has no path", fs.ErrInvalid)
	}
	path, err := filepath.Abs(b.path)
	return path + ".lock", err
}

func (b *backend) Key(context.Context) (string, error) {
	name, err := b.lockFile()
	return "github.com/gofilelock/filelock/examples/sqlite " + b.Database.path + " " + name, err
}

// interval is the pause between two attempts, and between two looks at one's own
// row. A database tells nobody of a change.
const (
	interval      = 50 * time.Millisecond
	watchInterval = time.Second
)

func (b *backend) Acquire(ctx context.Context, r filelock.Request) (filelock.Grant, error) {
	if r.Shared {
		return nil, fmt.Errorf("%w: a row cannot be shared", filelock.ErrUnsupported)
	}
	pause := interval
	if r.PollInterval > 0 {
		pause = r.PollInterval
	}
	for {
		g, err := b.try(ctx)
		if r.NoWait || !errors.Is(err, filelock.ErrLocked) {
			return g, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// exec changes something, whatever becomes of ctx meanwhile: after an interruption it
// would be open whether it has.
func (d *Database) exec(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = patiently(ctx, func() error {
		result, err = d.db.Exec(query, args...)
		return err
	})
	return result, err
}

// patiently makes a statement, again and again while others keep the database busy.
func patiently(ctx context.Context, do func() error) error {
	for end := time.Now().Add(patience); ; {
		err := do()
		if !isBusy(err) || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// isBusy reports whether others have written for all of the time that the
// database waits for them.
func isBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// try adds the row if there is none. Others who keep the database busy are
// contention, too: nothing has been written then.
func (b *backend) try(ctx context.Context) (filelock.Grant, error) {
	r, err := b.newRow()
	if err != nil {
		return nil, err
	}
	r.id, err = b.insert(ctx, r)
	switch {
	case isBusy(err):
		return nil, fmt.Errorf("%w: %w", filelock.ErrLocked, err)
	case err == nil && r.id == 0:
		return nil, filelock.ErrLocked
	case err == nil:
		err = ctx.Err() // it has come too late
	}
	if err != nil {
		// It may be there whatever the error is, as after a COMMIT that failed.
		if _, errUndo := b.exec(context.WithoutCancel(ctx), "DELETE FROM locks WHERE unique_name = ?", r.name); errUndo != nil {
			return nil, errors.Join(err, errUndo)
		}
		return nil, err
	}
	return &grant{backend: b, row: r}, nil
}

// insert returns the number of the new row, 0 if somebody else has one.
func (b *backend) insert(ctx context.Context, r row) (id int64, err error) {
	result, err := b.exec(ctx, `
		INSERT INTO locks (lock_file, unique_name)
		SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM locks WHERE lock_file = ?1)`, r.file, r.name)
	if err != nil {
		return 0, err
	}
	if n, err := result.RowsAffected(); n == 0 {
		return 0, err
	}
	return result.LastInsertId()
}

func (b *backend) Inspect(ctx context.Context) (filelock.State, error) {
	file, err := b.lockFile()
	if err != nil {
		return filelock.State{}, err
	}
	r := row{file: file}
	// Those who come second, and are about to see it, have higher numbers.
	err = patiently(ctx, func() error {
		first := b.db.QueryRowContext(ctx, "SELECT id, unique_name FROM locks WHERE lock_file = ? ORDER BY id LIMIT 1", file)
		return first.Scan(&r.id, &r.name)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return filelock.State{}, nil
	}
	if err != nil {
		return filelock.State{}, err
	}
	s := filelock.State{Held: true, Token: uint64(r.id), Holders: []filelock.Holder{r.holder()}}
	return s.WithEvidence(r), nil
}

// Break removes the row that was inspected.
func (b *backend) Break(ctx context.Context, s filelock.State) error {
	r, ok := s.Evidence().(row)
	file, err := b.lockFile()
	if !ok || r.file != file {
		return errors.Join(fmt.Errorf("%w: the state is not of this lock", fs.ErrInvalid), err)
	}
	return b.remove(ctx, r)
}

// remove removes r, and no other row that has come in its place.
func (b *backend) remove(ctx context.Context, r row) error {
	result, err := b.exec(ctx, "DELETE FROM locks WHERE id = ? AND lock_file = ? AND unique_name = ?", r.id, r.file, r.name)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 {
		return errors.Join(filelock.ErrLost, err)
	}
	return nil
}

// A row is a hold.
type row struct {
	id         int64
	file, name string
}

// newRow names a hold in lockfile's way: host, thread, process and a number.
func (b *backend) newRow() (row, error) {
	file, errFile := b.lockFile()
	host, errHost := os.Hostname()
	var random [4]byte
	rand.Read(random[:]) // never fails
	base := fmt.Sprintf("%s-0.%d-%d", host, os.Getpid(), binary.BigEndian.Uint32(random[:]))
	return row{file: file, name: filepath.Join(filepath.Dir(file), base)}, errors.Join(errFile, errHost)
}

// Names of lockfile's own may lack a thread, or a sign between the process and
// the number. Those tell nothing for certain.
var named = regexp.MustCompile(`^(.+)-[0-9a-f]+\.([1-9][0-9]*)-[0-9]+$`)

func (r row) holder() filelock.Holder {
	parts := named.FindStringSubmatch(filepath.Base(r.name))
	if parts == nil {
		return filelock.Holder{}
	}
	pid, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil {
		return filelock.Holder{}
	}
	return filelock.Holder{Host: parts[1], PID: int(pid)}
}

// A grant is a row of this process.
type grant struct {
	*backend
	row

	mu    sync.Mutex // guards over and timer; held during a removal, which must not look like a loss
	over  bool
	timer *time.Timer
}

func (g *grant) Token() uint64 { return uint64(g.id) }

func (g *grant) Release(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.remove(ctx, g.row)
	if g.over = err == nil || errors.Is(err, filelock.ErrLost); g.over && g.timer != nil {
		g.timer.Stop()
	}
	return err
}

// OnLoss looks now and then whether the row is still there.
func (g *grant) OnLoss(lost func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(watchInterval, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.over {
			return
		}
		var there bool
		err := g.db.QueryRow("SELECT EXISTS (SELECT 1 FROM locks WHERE id = ? AND unique_name = ?)", g.id, g.name).Scan(&there)
		if g.over = err == nil && !there; g.over {
			lost()
			return
		}
		g.timer.Reset(watchInterval)
	})
}
