package filesystems

import (
	"maps"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

// kinds are all that there are. Markers of the dead are broken by whoever comes
// next, so that none outlives its holder.
var kinds = []locktest.Kind{
	systemKind("flock"),
	systemKind("record", filelock.WithRecordLocks()),
	{
		Name:      "soft",
		New:       func(path string, opts ...filelock.FileOption) locktest.Lock { return filelock.NewSoft(path, opts...) },
		CanBreak:  true,
		Inspects:  true,
		HardLinks: true,
	},
	markerKind("link", marker.NewLink),
	markerKind("mkdir", marker.NewMkdir),
	markerKind("symlink", marker.NewSymlink),
	markerKind("pid", marker.NewPID),
	leaseKind(4 * time.Second),
}

func systemKind(name string, set ...filelock.FileOption) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.New(path, append(set[:len(set):len(set)], opts...)...)
		},
		CanShare:  true,
		Inspects:  true,
		Leaves:    true,
		HardLinks: true,
	}
}

func markerKind(name string, make func(string, marker.Config, ...filelock.Option) *marker.Lock) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return make(path, marker.Config{BreakStale: true}, locktest.Options(opts)...)
		},
		LockFile: func(path string) string { return make(path, marker.Config{}).LockFile() },
		CanBreak: true,
		Inspects: true,
		Bare:     true,
	}
}

// leaseKind leaves clocks a second: that of a machine which is emulated stands still now
// and then.
func leaseKind(lifetime time.Duration) locktest.Kind {
	return leaseOf("lease", lease.Config{Lifetime: lifetime, Slop: time.Second})
}

func leaseOf(name string, c lease.Config) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return lease.New(path, c, locktest.Options(opts)...)
		},
		CanBreak: true,
		Inspects: true,
		Bare:     true,
	}
}

// roles are those that the tests start processes in; other files add theirs.
var roles = map[string]testproc.Role{}

func init() { maps.Copy(roles, locktest.Roles(kinds...)) }
