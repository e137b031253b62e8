package filelock_test

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
)

var (
	flockKind = locktest.Kind{
		Name:      "flock",
		New:       func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.New(path, opts...) },
		CanShare:  true,
		Inspects:  runtime.GOOS == "linux",
		Leaves:    true,
		HardLinks: runtime.GOOS != "windows",
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
	goleak.VerifyTestMain(m)
}

func TestFileLockContract(t *testing.T) {
	locktest.Run(t, flockKind)
	locktest.RunInChild(t, t.Name())
}

func TestRecordLockContract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("record locks of an open file exist on Linux only")
	}
	locktest.Run(t, recordKind)
	locktest.RunInChild(t, t.Name())
}

func TestSoftFileLockContract(t *testing.T) {
	locktest.Run(t, softKind)
	locktest.RunInChild(t, t.Name())
}
