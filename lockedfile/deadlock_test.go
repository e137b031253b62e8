package lockedfile_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/lockedfile"
)

// unlimited returns a context without a limit for a new owner, with which nothing
// hangs for ever all the same.
func unlimited(t *testing.T, name string) context.Context {
	ctx, cancel := context.WithCancel(bg)
	timer := time.AfterFunc(30*time.Second, cancel)
	t.Cleanup(func() { timer.Stop(); cancel() })
	return filelock.WithOwner(ctx, filelock.NewOwner(name))
}

func same(old []byte) ([]byte, error) { return old, nil }

// TestDeadlockOfTransforms has two owners transform two files, each of them one under
// the lock of the other.
func TestDeadlockOfTransforms(t *testing.T) {
	for way, opts := range ways {
		a, b := dataPath(t), dataPath(t)
		under, goOn, errs := make(chan struct{}), make(chan struct{}), make(chan error)
		both := func(ctx context.Context, first, second string) {
			errs <- lockedfile.Transform(ctx, first, func(old []byte) ([]byte, error) {
				under <- struct{}{}
				<-goOn
				return old, lockedfile.Transform(ctx, second, same, opts...)
			}, opts...)
		}
		go both(unlimited(t, "one"), a, b)
		go both(unlimited(t, "other"), b, a)
		<-under
		<-under
		close(goOn)
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) {
			t.Errorf("%s: %v, and %v", way, first, second)
		}
		want(t, errors.Join(first, second), filelock.ErrDeadlock)
	}
}

// TestDeadlockOfTransformsByTwoNames has an owner meet its own lock.
func TestDeadlockOfTransformsByTwoNames(t *testing.T) {
	path := dataPath(t)
	write(t, path+".lock", "")
	if err := os.Link(path+".lock", path+"2.lock"); err != nil {
		t.Skipf("there are no links here: %v", err)
	}
	ctx := unlimited(t, "one")
	want(t, lockedfile.Transform(ctx, path, func(old []byte) ([]byte, error) {
		return old, lockedfile.Transform(ctx, path+"2", same)
	}), filelock.ErrDeadlock)
}

// A waiting handler of log records tells of those who begin to wait.
type waiting struct {
	slog.Handler
	begins chan struct{}
}

func (waiting) Enabled(context.Context, slog.Level) bool { return true }
func (w waiting) WithAttrs([]slog.Attr) slog.Handler     { return w }
func (w waiting) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "waiting" {
		w.begins <- struct{}{}
	}
	return nil
}

// TestNoDeadlockAcrossAWrite has an owner write one file while another goroutine of
// it waits for somebody who waits for that file: it is written soon.
func TestNoDeadlockAcrossAWrite(t *testing.T) {
	a, b := dataPath(t), dataPath(t)
	write(t, a, "old")
	w := waiting{slog.DiscardHandler, make(chan struct{}, 1)}
	log := filelock.WithLogger(slog.New(w))
	writing, goOn := make(chan struct{}), make(chan struct{})
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Rename {
			writing <- struct{}{}
			<-goOn
		}
		return nil
	}})
	defer remove()
	f, err := lockedfile.Edit(unlimited(t, "other"), b)
	must(t, err)
	errs := make(chan error)
	one := unlimited(t, "one")
	go func() { errs <- lockedfile.Write(one, a, strings.NewReader("new"), 0o666) }()
	<-writing
	go func() {
		_, err := lockedfile.Read(one, b, log)
		errs <- err
	}()
	<-w.begins
	go func() {
		_, err := lockedfile.Read(f.Context(), a, log)
		errs <- errors.Join(err, f.Close())
	}()
	<-w.begins
	close(goOn)
	must(t, errors.Join(<-errs, <-errs, <-errs))
}

// TestLaw13TransformTellsThatItsLockIsGone has all locks of the process given back
// while the function runs.
func TestLaw13TransformTellsThatItsLockIsGone(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		want(t, lockedfile.Transform(bg, path, func([]byte) ([]byte, error) {
			return nil, filelock.ReleaseAll()
		}, with()...), filelock.ErrNotHeld)
	})
}
