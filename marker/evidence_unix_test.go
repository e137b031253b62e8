//go:build unix

package marker_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/marker"
)

// TestLaw07SameNameInAnotherMarkerIsNotEnough has a marker that was inspected
// touched, or replaced by one that is as like it as can be.
func TestLaw07SameNameInAnotherMarkerIsNotEnough(t *testing.T) {
	const name = "elsewhere-7f.99-7"
	makers := map[string]func(path string) error{
		"mkdir": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, name), nil, 0o666))
		},
		"symlink": func(path string) error { return os.Symlink(name, path) },
	}
	date := func(path string, at time.Time) error {
		tv := unix.NsecToTimeval(at.UnixNano())
		return unix.Lutimes(path, []unix.Timeval{tv, tv})
	}
	long := time.Now().Add(-time.Hour)
	changes := map[string]func(path string, make func(string) error) error{
		"none":  func(string, func(string) error) error { return nil },
		"touch": func(path string, _ func(string) error) error { return date(path, long.Add(time.Second)) },
		"another": func(path string, make func(string) error) error {
			return errors.Join(make(path+"2"), date(path+"2", long), os.Rename(path, path+"3"), os.Rename(path+"2", path))
		},
	}
	for kind, make := range makers {
		for what, change := range changes {
			l := constructors[kind](lockPath(t), marker.Config{})
			must(t, errors.Join(make(l.LockFile()), date(l.LockFile(), long)))
			s, err := l.Inspect(bg)
			must(t, err)
			must(t, change(l.LockFile(), make))
			err = l.Break(bg, s)
			_, errThere := os.Lstat(l.LockFile())
			if what == "none" {
				must(t, err)
			} else if !errors.Is(err, filelock.ErrLost) || errThere != nil {
				t.Errorf("%s, %s: %v; it is there: %v", kind, what, err, errThere)
			}
		}
	}
}
