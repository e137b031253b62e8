package filelock

import (
	"io/fs"
	"log/slog"
	"time"

	"github.com/gofilelock/filelock/internal/record"
)

// A FileOption is a setting of a lock on a file: [New], [NewFile] and [NewSoft]
// accept it.
type FileOption interface{ applyFile(*fileSettings) }

// An Option is a setting of any lock: all constructors accept it.
type Option interface {
	FileOption
	applyLock(*lockSettings)
}

// An AcquireOption is a setting of one acquisition. Given to a constructor, it
// holds for all acquisitions that do not say otherwise.
type AcquireOption interface {
	Option
	applyAcquire(*acquireSettings)
}

type acquireSettings struct {
	timeout     time.Duration // < 0: no limit
	nonBlocking bool
	shared      bool
	interval    time.Duration
	onWait      func(WaitInfo)
}

type lockSettings struct {
	acquireSettings
	sharedOwner bool
	noNesting   bool
	logger      *slog.Logger
}

type fileSettings struct {
	lockSettings
	pathSettings
}

type pathSettings struct {
	mode    *fs.FileMode
	parents *fs.FileMode
	content *string
	remove  bool
	records bool
}

func defaults() lockSettings {
	return lockSettings{acquireSettings: acquireSettings{timeout: -1}}
}

type acquireOption func(*acquireSettings)

func (o acquireOption) applyAcquire(s *acquireSettings) { o(s) }
func (o acquireOption) applyLock(s *lockSettings)       { o(&s.acquireSettings) }
func (o acquireOption) applyFile(s *fileSettings)       { o(&s.acquireSettings) }

type lockOption func(*lockSettings)

func (o lockOption) applyLock(s *lockSettings) { o(s) }
func (o lockOption) applyFile(s *fileSettings) { o(&s.lockSettings) }

type fileOption func(*fileSettings)

func (o fileOption) applyFile(s *fileSettings) { o(s) }

// WithTimeout limits how long an acquisition waits. Below 0, the default, it
// waits for as long as it takes; 0 is one attempt. The context's end always
// ends the wait, whichever comes first.
func WithTimeout(d time.Duration) AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.timeout = d })
}

// NonBlocking makes one attempt, whatever the timeout.
func NonBlocking() AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.nonBlocking = true })
}

// Blocking undoes [NonBlocking].
func Blocking() AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.nonBlocking = false })
}

// Shared asks for a shared lock: others may hold it shared at the same time,
// and nobody exclusively. Soft locks have none.
func Shared() AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.shared = true })
}

// Exclusive undoes [Shared]. It is the default.
func Exclusive() AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.shared = false })
}

// WithPollInterval sets the longest pause between two attempts of a wait that
// has to poll. The default is 50 ms. Pauses begin at a millisecond and grow.
func WithPollInterval(d time.Duration) AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.interval = d })
}

// OnWait has f called while an acquisition waits: after about a second, and
// then at intervals that double up to half a minute. It is called on a
// goroutine of its own, one call at a time and never after the acquisition has
// returned, which waits for a call under way.
func OnWait(f func(WaitInfo)) AcquireOption {
	return acquireOption(func(s *acquireSettings) { s.onWait = f })
}

// WaitInfo describes a wait.
type WaitInfo struct {
	Path     string
	Holder   Holder // who is waited for; zero where that is unknown
	Waited   time.Duration
	Position int // how many of this process come before
}

// WithSharedOwner makes all who use the lock one owner, with or without a
// common context: every acquisition beyond the first nests. All locks of one
// file that have this option share that owner.
func WithSharedOwner() Option {
	return lockOption(func(s *lockSettings) { s.sharedOwner = true })
}

// WithoutNesting refuses an acquisition by an owner that holds the lock
// already, at once and with [ErrLocked].
func WithoutNesting() Option {
	return lockOption(func(s *lockSettings) { s.noNesting = true })
}

// WithLogger sets where the lock's doings are logged, a line each, at debug
// level. The default is [slog.Default] with the attribute logger=filelock.
func WithLogger(l *slog.Logger) Option {
	return lockOption(func(s *lockSettings) { s.logger = l })
}

// WithMode sets the permissions of a lock file that the lock creates, exactly:
// the umask does not apply. The default is 0666 less the umask. An existing
// file keeps its own. A process that is killed between creating the file and
// setting its permissions leaves it with these less the umask. A soft lock's
// must let its owner read and write.
func WithMode(perm fs.FileMode) FileOption {
	return fileOption(func(s *fileSettings) { s.mode = &perm })
}

// WithParents has missing directories created, with perm less the umask.
func WithParents(perm fs.FileMode) FileOption {
	return fileOption(func(s *fileSettings) { s.parents = &perm })
}

// WithContent has text written to the lock file each time the lock has been
// taken exclusively, for people and other programs to read. It stays there
// after release. The template is literal text with fields in braces:
//
//	{pid}       process id
//	{hostname}  host name
//	{command}   command line
//	{owner}     the owner's name
//	{since}     when the lock was taken, RFC 3339, UTC
//
// {{ and }} stand for braces. " {pid}\n" is what zc.lockfile writes. On Windows
// nobody else can read the first byte of the file while the lock is held, so a
// template begins with a blank there.
//
// [Lock.Inspect] then reads the file, and so do errors that name the holder. A file
// that has other names is not written to: the acquisition fails with an error that
// matches [fs.ErrInvalid].
func WithContent(template string) FileOption {
	return fileOption(func(s *fileSettings) { s.content = &template })
}

// WithRemove has the lock file removed when the lock is given back and nobody
// shares it. Where that fails, Release says so, but the lock has been given back.
// A directory stays. Whoever gives back a shared hold excludes everybody for a
// moment to find that out: who does not wait can be refused though all share.
//
// Removing is safe only where everybody who locks the file makes sure, once it is
// locked, that the path still leads to it, as this package does. flock(1),
// gofrs/flock, zc.lockfile and py-filelock 3.9 do not: a waiter of theirs can get
// hold of the removed file while somebody else locks a new one.
func WithRemove() FileOption {
	return fileOption(func(s *fileSettings) { s.remove = true })
}

// WithRecordLocks takes the record locks of fcntl(2), on all of the file and
// belonging to the open file, in the place of flock(2), to exclude programs
// that know only these: dpkg, apt, Python's lockf. The two kinds do not exclude
// each other. An exclusive one needs permission to write to the file. Linux
// only; elsewhere acquisitions fail with [ErrUnsupported].
func WithRecordLocks() FileOption {
	return fileOption(func(s *fileSettings) { s.records = true })
}

// check reports options that make no sense.
func (s *lockSettings) check() error {
	if s.interval < 0 {
		return invalid("poll interval %s", s.interval)
	}
	return nil
}

// fileSettingsOf returns what the options say, with the template of the content
// if there is one, and what makes no sense of it.
func fileSettingsOf(opts []FileOption) (s fileSettings, content *record.Template, misuse error) {
	s.lockSettings = defaults()
	for _, o := range opts {
		o.applyFile(&s)
	}
	content, misuse = s.check()
	return s, content, misuse
}

// check reports options that make no sense, and parses the template.
func (s *fileSettings) check() (*record.Template, error) {
	if err := s.lockSettings.check(); err != nil {
		return nil, err
	}
	for _, perm := range []*fs.FileMode{s.mode, s.parents} {
		if perm != nil && *perm&^fs.ModePerm != 0 {
			return nil, invalid("mode %v has more than permissions", *perm)
		}
	}
	if s.content == nil {
		return nil, nil
	}
	t, err := record.ParseTemplate(*s.content)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return t, nil
}
