package filesystems

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
)

// A file of a lower layer is copied into the upper one when it is first opened
// for writing, and gets another number then if it has several names below.

// lower mounts layers with a file x.lock below that has so many names, and the
// given content. Everybody may read it, and nobody but root write to it.
func lower(t testing.TB, names int, content string) (path string) {
	dir := overlay(t, func(lower string) {
		path := filepath.Join(lower, "x.lock")
		must(t, os.WriteFile(path, []byte(content), 0o644))
		for i := range names - 1 {
			must(t, os.Link(path, fmt.Sprint(path, i)))
		}
	})
	for _, d := range []string{ground, dir} {
		must(t, os.Chmod(d, 0o755))
	}
	return filepath.Join(dir, "x.lock")
}

// number returns what a path leads to.
func number(t testing.TB, path string) sys.ID {
	info, err := sys.Lstat(path)
	must(t, err)
	return info.ID
}

// TestLaw01LockOfALowerLayerIsOneWhenItIsCopiedUp has somebody who may only read
// lock a file before it is copied up, and after it.
func TestLaw01LockOfALowerLayerIsOneWhenItIsCopiedUp(t *testing.T) {
	t.Parallel()
	needGround(t)
	for names := 1; names <= 2; names++ {
		for _, k := range []locktest.Kind{kindNamed("flock"), kindNamed("record")} {
			t.Run(fmt.Sprint(k.Name, names), func(t *testing.T) {
				path := lower(t, names, "")
				below := number(t, path)
				reader := testproc.StartAsNobody(t, "hold "+k.Name, path, "shared")
				reader.Say("acquire")
				reader.Expect("done")
				if got := k.Try(t, path); got == "done" { // opens it for writing
					t.Error("another process got what a reader below has")
				}
				if changed := number(t, path) != below; changed != (names > 1) {
					t.Errorf("the number changes: %v", changed)
				}
				l := k.New(path, filelock.Shared())
				first, err := l.TryAcquire(t.Context())
				must(t, err)
				second, err := l.TryAcquire(first.Context())
				must(t, err)
				must(t, first.Release())
				reader.Say("release")
				reader.Expect("done")
				if got := k.Try(t, path); got == "done" {
					t.Error("another process got what is shared")
				}
				must(t, second.Release())
				h, err := k.New(path).TryAcquire(t.Context())
				must(t, err)
				if got := k.Try(t, path, "shared"); got == "done" {
					t.Error("another process shares what is held")
				}
				must(t, h.Release())
			})
		}
	}
}

// TestLaw07MarkerOfALowerLayerIsBroken has the marker of a dead holder stand in
// a lower layer: the next one removes it, and so does Break, which goes by the
// number and so refuses to if that changes when it opens it.
func TestLaw07MarkerOfALowerLayerIsBroken(t *testing.T) {
	t.Parallel()
	needGround(t)
	k := kindNamed("soft")
	stale := filepath.Join(newDir(t), "x.lock")
	k.Elsewhere(t, stale).Kill()
	marker, err := os.ReadFile(stale)
	must(t, err)
	for names := 1; names <= 2; names++ {
		t.Run(fmt.Sprint("Acquire", names), func(t *testing.T) {
			h, err := k.New(lower(t, names, string(marker))).TryAcquire(t.Context())
			must(t, err)
			must(t, h.Release())
		})
		t.Run(fmt.Sprint("Break", names), func(t *testing.T) {
			l := k.New(lower(t, names, string(marker)))
			s, err := l.Inspect(t.Context())
			must(t, err)
			if !s.Held || !s.Stale {
				t.Fatalf("the marker is not stale: %+v", s)
			}
			err = l.Break(t.Context(), s)
			if names > 1 {
				if !errors.Is(err, filelock.ErrLost) {
					t.Errorf("Break of a marker whose number changes: %v", err)
				}
				s, err = l.Inspect(t.Context())
				must(t, err)
				err = l.Break(t.Context(), s)
			}
			must(t, err)
			if s, err = l.Inspect(t.Context()); err != nil || s.Held {
				t.Errorf("after Break: %+v, %v", s, err)
			}
		})
	}
}
