package filelock_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

var (
	flockKind = locktest.Kind{
		Name:      "flock",
		New:       func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.New(path, opts...) },
		CanShare:  true,
		Inspects:  runtime.GOOS == "linux" && !locktest.Sandboxed(),
		Leaves:    true,
		HardLinks: runtime.GOOS != "windows" && !locktest.Sandboxed(),
	}
	recordKind = locktest.Kind{
		Name: "record",
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.New(path, append([]filelock.FileOption{filelock.WithRecordLocks()}, opts...)...)
		},
		CanShare:  true,
		Inspects:  true,
		Leaves:    true,
		HardLinks: true,
	}
	softKind = locktest.Kind{
		Name:      "soft",
		New:       func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.NewSoft(path, opts...) },
		CanBreak:  true,
		Inspects:  true,
		HardLinks: true,
		Outlives:  locktest.Sandboxed(),
	}
	// everythingKind has all options that touch the file.
	everythingKind = locktest.Kind{
		Name: "everything",
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.New(path, append([]filelock.FileOption{filelock.WithContent(" content\n"), filelock.WithMode(0o640)}, opts...)...)
		},
	}
)

func withEverything(t *testing.T, path string) *testproc.Proc {
	return testproc.Start(t, "hold everything", path)
}

// roles are those that the tests start processes in; files of one system add
// theirs.
var roles = locktest.Roles(flockKind, recordKind, softKind, everythingKind)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

func TestFileLockContract(t *testing.T) {
	locktest.Run(t, flockKind)
	locktest.RunInChild(t, t.Name())
}

func TestRecordLockContract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("record locks of an open file exist on Linux only")
	}
	if locktest.Sandboxed() {
		_, err := recordKind.New(filepath.Join(t.TempDir(), "x.lock")).TryAcquire(context.Background())
		if !errors.Is(err, filelock.ErrUnsupported) || errors.Is(err, filelock.ErrLocked) {
			t.Errorf("there are none here, but the error is %v", err)
		}
		return
	}
	locktest.Run(t, recordKind)
	locktest.RunInChild(t, t.Name())
}

func TestSoftFileLockContract(t *testing.T) {
	locktest.Run(t, softKind)
	locktest.RunInChild(t, t.Name())
}
