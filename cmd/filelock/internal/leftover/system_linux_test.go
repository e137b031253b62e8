package leftover

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/verify"
)

// TestLaw07LockFileStaysWhileSomebodyHasItsLock, of either kind, which has been taken
// since the file was found.
func TestLaw07LockFileStaysWhileSomebodyHasItsLock(t *testing.T) {
	for kind, opts := range map[string][]filelock.FileOption{"flock": nil, "record": {filelock.WithRecordLocks()}} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.lock")
			verify.NoError(t, os.WriteFile(path, nil, 0o666))
			l, err := At(path)
			verify.NoError(t, err)
			if l == nil || l.Proof != Risky {
				t.Fatalf("it is not found: %+v", l)
			}
			h, err := filelock.New(path, opts...).Acquire(bg)
			verify.NoError(t, err)
			verify.Is(t, l.Remove(bg), ErrUsed)
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
			verify.NoError(t, h.Release())
			verify.NoError(t, l.Remove(bg))
		})
	}
}
