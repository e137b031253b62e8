package marker_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
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
		Proves:   name != "pid" && (name != "pid clearing" || runtime.GOOS == "linux"), // which is told that ids mean the same to all
	}
}

var (
	linkKind = kindOf("link", marker.Config{}, marker.NewLink)
	pidKind  = kindOf("pid", marker.Config{}, marker.NewPID)
)

// constructors are those of the kinds that exist here.
var constructors = map[string]constructor{"link": marker.NewLink, "mkdir": marker.NewMkdir, "pid": marker.NewPID}

func init() {
	if runtime.GOOS != "windows" {
		constructors["symlink"] = marker.NewSymlink
	}
}

// kinds are those that exist here.
func kinds() (kinds []locktest.Kind) {
	for _, name := range slices.Sorted(maps.Keys(constructors)) {
		kinds = append(kinds, kindOf(name, marker.Config{}, constructors[name]))
	}
	return kinds
}

// clearing is k with stale markers broken.
func clearing(k locktest.Kind) locktest.Kind {
	return kindOf(k.Name+" clearing", marker.Config{BreakStale: true}, constructors[k.Name])
}

// provable are the kinds that can clear away what the dead have left.
func provable() []locktest.Kind {
	return slices.DeleteFunc(kinds(), func(k locktest.Kind) bool { return !clearing(k).Proves })
}

func kindNamed(name string) locktest.Kind {
	for _, k := range kinds() {
		for _, k := range []locktest.Kind{k, clearing(k)} {
			if k.Name == name {
				return k
			}
		}
	}
	panic("no kind " + name)
}

// roles are those that the tests start processes in.
var roles = map[string]testproc.Role{}

func TestMain(m *testing.M) {
	for _, k := range kinds() {
		maps.Copy(roles, locktest.Roles(k, clearing(k)))
	}
	testproc.Main(roles)
	verify.Main(m)
}

func TestMarkerContract(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.Name, func(t *testing.T) { locktest.Run(t, k) })
	}
	locktest.RunInChild(t, t.Name())
}
