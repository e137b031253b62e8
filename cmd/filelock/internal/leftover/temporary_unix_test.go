//go:build unix

package leftover

import (
	"os"
	"testing"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/verify"
)

// TestLaw07TemporaryFileStaysIfItsLockIsReplaced: the lock that was taken is nobody's
// any more. Windows lets nobody replace what is open.
func TestLaw07TemporaryFileStaysIfItsLockIsReplaced(t *testing.T) {
	path, l := leave(t)
	verify.NoError(t, os.WriteFile(path+".other", nil, 0o666))
	replaced := false
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op != fault.Lock || replaced {
			return nil
		}
		replaced = true
		return os.Rename(path+".other", path)
	}})
	err := l.Remove(bg)
	remove()
	verify.Is(t, err, ErrGone)
	if _, err := os.Lstat(l.Path); err != nil {
		t.Error(err)
	}
}
