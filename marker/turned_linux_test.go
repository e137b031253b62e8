package marker_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/marker"
)

// TestLaw24DirectoryThatBecomesALinkIsNotFollowed has a stranger turn the marker
// into a link ahead of each operation of an acquisition, of a release and of a
// break: nothing is made or removed where that leads.
func TestLaw24DirectoryThatBecomesALinkIsNotFollowed(t *testing.T) {
	uses := map[string]func(l *marker.Lock, armed *atomic.Bool){
		"acquire": func(l *marker.Lock, armed *atomic.Bool) {
			armed.Store(true)
			if h, err := l.TryAcquire(bg); err == nil {
				h.Release()
			}
		},
		"release": func(l *marker.Lock, armed *atomic.Bool) {
			h, err := l.TryAcquire(bg)
			must(t, err)
			armed.Store(true)
			h.Release()
		},
		"break": func(l *marker.Lock, armed *atomic.Bool) {
			h, err := l.TryAcquire(bg)
			must(t, err)
			s, err := l.Inspect(bg)
			must(t, err)
			armed.Store(true)
			l.Break(bg, s)
			h.Release()
		},
	}
	turns := 0
	for what, use := range uses {
		for n := 1; ; n++ {
			path, elsewhere := filepath.Join(t.TempDir(), "x"), t.TempDir()
			l := marker.NewMkdir(path, marker.Config{})
			armed := &atomic.Bool{}
			var mu sync.Mutex // whoever watches the marker does something too
			count, made := 0, time.Time{}
			turn := func() {
				was, err := os.ReadDir(l.LockFile())
				if err != nil {
					return // it is not there yet, or no longer
				}
				for _, entry := range was {
					must(t, os.WriteFile(filepath.Join(elsewhere, entry.Name()), nil, 0o666))
				}
				info, err := os.Stat(elsewhere)
				must(t, err)
				made = info.ModTime()
				must(t, errors.Join(os.Rename(l.LockFile(), l.LockFile()+".away"), os.Symlink(elsewhere, l.LockFile())))
			}
			remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
				mu.Lock()
				defer mu.Unlock()
				if armed.Load() {
					if count++; count == n {
						turn()
					}
				}
				return nil
			}})
			use(l, armed)
			remove()
			mu.Lock()
			operations, made := count, made
			mu.Unlock()
			if operations < n {
				break
			}
			turns++
			if info, err := os.Stat(elsewhere); err != nil || !made.IsZero() && !info.ModTime().Equal(made) {
				t.Errorf("%s, turned ahead of operation %d: something has been made or removed where the link leads", what, n)
			}
		}
	}
	t.Logf("turned %d times", turns)
}
