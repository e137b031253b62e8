//go:build unix && !aix

package filelock

import (
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/wait"
)

// kept holds the files of locks that are taken again and again, open from one
// time to the next: opening and closing is most of what a lock costs. A file is
// kept from its second release on, and closed when it has been idle for a
// moment, or at once when somebody waits for it who is woken by that.
var kept = struct {
	sync.Mutex
	places  map[string]*place
	open    int // how many of them have a file open
	cleaner wait.Cleaner
}{places: map[string]*place{}}

// A place is what is remembered of a lock after its release.
type place struct {
	grant    *fileGrant // nil if it is in use, or closed
	released time.Time
}

const (
	idle     = 100 * time.Millisecond // for how long a file is kept
	mostKept = 32                     // files: others need descriptors too
)

// takeKept returns the grant of key that is kept, with its file open, or nil.
func takeKept(key string) *fileGrant {
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	if p == nil || p.grant == nil {
		return nil
	}
	g := p.grant
	p.grant = nil
	kept.open--
	return g
}

// keep reports whether the file stays open, which has just been unlocked. It
// does not if somebody waits who has left a trace in its time of access since
// that was last looked at: whoever comes later gets the lock. Nor does it where
// that cannot be seen.
func (g *fileGrant) keep() (bool, error) {
	if g.key == "" || g.remove || g.lent || g.readOnly != nil {
		return false, nil
	}
	info, err := g.file.Info()
	if !again(g.key) || err != nil || !info.Fine || info.Accessed != g.accessed {
		return false, err
	}
	if g.local = g.local || !g.file.IsRemote(); !g.local {
		return false, nil
	}
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[g.key]
	if p == nil || kept.open == mostKept { // nil if that took long
		return false, nil
	}
	p.grant = g
	kept.open++
	return true, nil
}

// again notes a release, and reports whether it follows close upon another.
func again(key string) bool {
	now := time.Now()
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	if p == nil {
		kept.places[key] = &place{released: now}
		cleanKept()
		return false
	}
	p.released = now
	return true
}

// cleanKept forgets, in a moment and as long as there is anything to forget,
// what has been idle. It is called with the lock on kept.
func cleanKept() {
	kept.cleaner.After(idle, func() {
		kept.Lock()
		defer kept.Unlock()
		kept.cleaner.Done()
		dropKept(idle)
		if len(kept.places) > 0 {
			cleanKept()
		}
	})
}

// dropKept forgets what has been idle for so long. Nobody hears of a close that
// fails: nothing has been written that could be lost.
func dropKept(idle time.Duration) {
	for key, p := range kept.places {
		if time.Since(p.released) < idle {
			continue
		}
		delete(kept.places, key)
		if p.grant != nil {
			kept.open--
			p.grant.close()
		}
	}
}
