package marker_test

import (
	"context"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/marker"
)

var bg = context.Background()

type constructor func(path string, c marker.Config, opts ...filelock.Option) *marker.Lock

// kindOf describes a kind of marker to the contract.
func kindOf(name string, c marker.Config, make constructor) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return make(path, c, locktest.Options(opts)...)
		},
		LockFile: func(path string) string { return make(path, c).LockFile() },
		CanBreak: true,
		Inspects: true,
		Bare:     true,
		Outlives: !c.BreakStale,
	}
}

var (
	linkKind    = kindOf("link", marker.Config{}, marker.NewLink)
	mkdirKind   = kindOf("mkdir", marker.Config{}, marker.NewMkdir)
	symlinkKind = kindOf("symlink", marker.Config{}, marker.NewSymlink)
	pidKind     = kindOf("pid", marker.Config{}, marker.NewPID)
)

// kinds are those that exist here.
func kinds() []locktest.Kind {
	if runtime.GOOS == "windows" {
		return []locktest.Kind{linkKind, mkdirKind, pidKind}
	}
	return []locktest.Kind{linkKind, mkdirKind, symlinkKind, pidKind}
}

var constructors = map[string]constructor{
	"link": marker.NewLink, "mkdir": marker.NewMkdir, "symlink": marker.NewSymlink, "pid": marker.NewPID,
}

// roles are those that the tests start processes in; files of one system add
// theirs.
var roles = locktest.Roles(linkKind, mkdirKind, symlinkKind, pidKind)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	goleak.VerifyTestMain(m)
}

func TestMarkerContract(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.Name, func(t *testing.T) { locktest.Run(t, k) })
	}
	locktest.RunInChild(t, t.Name())
}
