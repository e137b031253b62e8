package strace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
)

// controls are what the walks would have to find wrong.
var controls = []subject{
	{name: "unlinks without the flock", kind: naiveKind, before: leaveDead, control: true},
	{name: "says whose it is too late", kind: naiveKind, control: true},
	{name: "writes over the old", kind: flockKind, before: leaveOld, ready: overwriting, check: whole, leaves: dataFiles, control: true},
	{name: "gives up when interrupted", kind: flockKind, ready: onceOnly, leaves: lockFile, control: true},
}

// TestWalksFindWhatIsWrong has each of the controls fail the walk that is meant
// for it.
func TestWalksFindWhatIsWrong(t *testing.T) {
	needStrace(t)
	for name, walk := range map[string]walk{
		"unlinks without the flock": subject.walkStops,
		"says whose it is too late": subject.walkKills,
		"writes over the old":       subject.walkKills,
		"gives up when interrupted": interruptions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong, tried := walk(subjectNamed(name), t)
			if len(wrong) == 0 || errors.Is(wrong[0], errNotMuch) {
				t.Fatalf("nothing is found wrong: %s, %v", tried, wrong)
			}
			t.Logf("%d of %s were found wrong: %v", len(wrong), tried, wrong[0])
		})
	}
}

// interruptions fails each call with EINTR.
func interruptions(s subject, t *testing.T) (wrong []error, tried string) {
	steps := s.steps(t)
	for _, at := range steps {
		if _, err := s.fail(t, at, "EINTR"); err != nil && err != errMissed {
			wrong = append(wrong, fmt.Errorf("%s: %w", at, err))
		}
	}
	return wrong, fmt.Sprintf("%d interruptions", len(steps))
}

// naive is a lock as many have been written: a file with a process id in it,
// which is removed if there is no such process.
type naive struct{ path string }

var naiveKind = locktest.Kind{
	Name: "naive",
	New: func(path string, opts ...filelock.FileOption) locktest.Lock {
		return filelock.NewLock(naive{path}, locktest.Options(opts)...)
	},
}

func (n naive) Path() string                        { return n.path }
func (n naive) Key(context.Context) (string, error) { return "naive " + n.path, nil }

func (n naive) Acquire(context.Context, filelock.Request) (filelock.Grant, error) {
	for {
		f, err := os.OpenFile(n.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			_, err = unix.Pwrite(int(f.Fd()), strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
			return n, errors.Join(err, f.Close())
		}
		b, err := os.ReadFile(n.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		pid, err := strconv.Atoi(string(b))
		if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			return nil, filelock.ErrLocked
		}
		os.Remove(n.path)
	}
}

func (n naive) Release(context.Context) error {
	err := os.Remove(n.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = filelock.ErrLost
	}
	return err
}

func (naive) Inspect(context.Context) (s filelock.State, err error) { return s, nil }
func (naive) Break(context.Context, filelock.State) error           { return filelock.ErrUnsupported }

// overwriting changes the file in place.
func overwriting(k locktest.Kind, path string) (func(func() error) error, error) {
	return func(func() error) error {
		return k.New(path).Do(bg, func(context.Context) error {
			f, err := os.OpenFile(dataOf(path), os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				return err
			}
			_, err = unix.Pwrite(int(f.Fd()), []byte(newContent), 0)
			return errors.Join(err, f.Close())
		})
	}, nil
}

// onceOnly takes the lock by a system call that it does not repeat.
func onceOnly(_ locktest.Kind, path string) (func(func() error) error, error) {
	return func(func() error) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}, nil
}
