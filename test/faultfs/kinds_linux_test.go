package faultfs

import (
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

// kinds are all that are made of files.
var kinds = []locktest.Kind{
	osKind("flock"),
	osKind("record", filelock.WithRecordLocks()),
	osKind("content", filelock.WithContent(" {pid}\n"), filelock.WithMode(0o640)),
	osKind("remove", filelock.WithRemove()),
	softKind("soft"),
	softKind("soft with a mode", filelock.WithMode(0o640)),
	markerKind("link", marker.NewLink),
	markerKind("mkdir", marker.NewMkdir),
	markerKind("symlink", marker.NewSymlink),
	outliving(markerKind("pid", marker.NewPID)),
	leaseKind("lease", lease.Config{Lifetime: 2 * time.Second, Slop: 200 * time.Millisecond}),
	leaseKind("fenced lease", lease.Config{Lifetime: 2 * time.Second, Slop: 200 * time.Millisecond, Fencing: true}),
}

// chosen are the kinds that there is time for: one of each protocol, if not all.
func chosen() (some []locktest.Kind) {
	for _, k := range kinds {
		switch k.Name {
		case "record", "content", "soft with a mode", "fenced lease":
			if !locktest.Thorough() {
				continue
			}
		}
		some = append(some, k)
	}
	return some
}

func osKind(name string, set ...filelock.FileOption) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.New(path, append(set[:len(set):len(set)], opts...)...)
		},
		CanShare: true,
		Inspects: false, // the kernel shows no locks of FUSE
		Leaves:   true,
	}
}

func softKind(name string, set ...filelock.FileOption) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return filelock.NewSoft(path, append(set[:len(set):len(set)], opts...)...)
		},
		CanBreak:  true,
		Inspects:  true,
		HardLinks: true,
	}
}

// markerKind is a marker of which stale ones are broken.
func markerKind(name string, make func(string, marker.Config, ...filelock.Option) *marker.Lock) locktest.Kind {
	c := marker.Config{BreakStale: true}
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return make(path, c, locktest.Options(opts)...)
		},
		LockFile: func(path string) string { return make(path, c).LockFile() },
		CanBreak: true,
		Inspects: true,
		Bare:     true,
	}
}

// outliving is k without proof of death, as of a process id alone where other
// machines may have written it.
func outliving(k locktest.Kind) locktest.Kind {
	k.Outlives = true
	return k
}

func leaseKind(name string, c lease.Config) locktest.Kind {
	return locktest.Kind{
		Name: name,
		New: func(path string, opts ...filelock.FileOption) locktest.Lock {
			return lease.New(path, c, locktest.Options(opts)...)
		},
		CanBreak:  true,
		Inspects:  true,
		Bare:      true,
		HasTokens: c.Fencing,
		Leaves:    c.Fencing, // the token
	}
}
