package leftover

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/verify"
)

var bg = context.Background()

// leave leaves a temporary file as a killed process does that was about to replace
// data, and returns it as it is found.
func leave(t *testing.T) (lock string, l *Leftover) {
	t.Helper()
	lock = filepath.Join(t.TempDir(), "data.lock")
	for _, path := range []string{lock, lock + ".new"} {
		verify.NoError(t, os.WriteFile(path, nil, 0o666))
	}
	l, err := At(lock + ".new")
	verify.NoError(t, err)
	if l == nil || l.Proof != Certain {
		t.Fatalf("it is not found: %+v", l)
	}
	return lock, l
}

// TestLaw07TemporaryFileStaysWhileSomebodyHasItsLock: whoever has taken that since
// the file was found may be about to use the name.
func TestLaw07TemporaryFileStaysWhileSomebodyHasItsLock(t *testing.T) {
	path, l := leave(t)
	h, err := filelock.New(path).Acquire(bg)
	verify.NoError(t, err)
	verify.Is(t, l.Remove(bg), ErrUsed)
	if _, err := os.Lstat(l.Path); err != nil {
		t.Error(err)
	}
	verify.NoError(t, h.Release())
	verify.NoError(t, l.Remove(bg))
	if _, err := os.Lstat(l.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has not gone: %v", err)
	}
}
