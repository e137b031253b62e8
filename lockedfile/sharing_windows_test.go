package lockedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() { roles[locktest.OpenRole] = locktest.HaveOpen }

// TestFileThatOthersHaveOpenKeepsItsContent where it cannot be replaced, and
// nothing is left beside it.
func TestFileThatOthersHaveOpenKeepsItsContent(t *testing.T) {
	for _, share := range []uint32{locktest.ShareNothing, locktest.ShareReading, locktest.ShareUsual} {
		path := t.TempDir() + `\x`
		must(t, os.WriteFile(path, []byte("old"), 0o666))
		p := locktest.OpenElsewhere(t, path, share)
		err := lockedfile.Write(bg, path, strings.NewReader("new"), 0o666)
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path) {
			t.Errorf("share %d: %v", share, err)
		}
		p.Kill()
		if now, err := os.ReadFile(path); err != nil || string(now) != "old" {
			t.Errorf("share %d: the content is %q, %v", share, now, err)
		}
		if _, err := os.Lstat(path + ".lock.new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("share %d: what was prepared is left: %v", share, err)
		}
		must(t, lockedfile.Write(bg, path, strings.NewReader("new"), 0o666))
	}
}

// TestReadOnlyFileIsNotReplaced: who may not write to it does not, and its
// content can be read.
func TestReadOnlyFileIsNotReplaced(t *testing.T) {
	path := t.TempDir() + `\x`
	must(t, os.WriteFile(path, []byte("old"), 0o444))
	defer os.Chmod(path, 0o666)
	err := lockedfile.Transform(bg, path, func([]byte) ([]byte, error) { return []byte("new"), nil })
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("it is replaced: %v", err)
	}
	if now, err := lockedfile.Read(bg, path); err != nil || string(now) != "old" {
		t.Errorf("the content is %q, %v", now, err)
	}
}
