package filelock

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/wait"
)

// kept holds the files of locks that are taken again and again, open from one
// time to the next: opening and closing, or making and removing a file, is most
// of what a lock costs. A file is kept from its second release on, and closed
// when it has been idle for a moment.
var kept = struct {
	sync.Mutex
	places  map[string]*place
	open    int                        // how many files there are, until they have been closed
	closing map[chan struct{}]struct{} // one for each that is being closed, and closed after it
	cleaner wait.Cleaner
}{places: map[string]*place{}, closing: map[chan struct{}]struct{}{}}

// A place is what is remembered of a lock after its release.
type place struct {
	grant    keptGrant // nil if it is in use, or closed
	released time.Time
}

// A keptGrant is of a lock that has been given back, and has its file still.
type keptGrant interface{ close() error }

// idle is for how long a file is kept. It is guarded by the lock on kept.
var idle = 100 * time.Millisecond

const (
	mostKept   = 32   // files: others need descriptors too
	mostPlaces = 1024 // nobody takes more locks than that again and again
)

// takeKept returns the grant of key that is kept, or nil.
func takeKept(key string) keptGrant {
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

// keep reports whether g is kept, after a release that has been noted.
func keep(key string, g keptGrant) bool {
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	if p == nil || p.grant != nil || kept.open == mostKept { // nil if that took long
		return false
	}
	p.grant = g
	kept.open++
	return true
}

// repeats reports whether a lock has just been released, and nothing is kept of
// it.
func repeats(key string) bool {
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	return p != nil && p.grant == nil
}

// keeps reports whether something is kept of a lock.
func keeps(key string) bool {
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	return p != nil && p.grant != nil
}

// again notes a release, and reports whether it follows close upon another.
func again(key string) bool {
	now := time.Now()
	kept.Lock()
	defer kept.Unlock()
	p := kept.places[key]
	switch {
	case p != nil:
		p.released = now
	case len(kept.places) < mostPlaces:
		kept.places[key] = &place{released: now}
		cleanKept()
	}
	return p != nil
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

// closeKept forgets everything at once, and returns when it has been closed.
func closeKept() {
	kept.Lock()
	dropKept(0)
	closing := slices.Collect(maps.Keys(kept.closing))
	kept.Unlock()
	for _, closed := range closing {
		<-closed
	}
}

// dropKept forgets what has been idle for so long. It is called with the lock on
// kept.
func dropKept(idle time.Duration) {
	for key, p := range kept.places {
		if time.Since(p.released) < idle {
			continue
		}
		delete(kept.places, key)
		if p.grant != nil {
			beginClosing(p.grant)
		}
	}
}

// beginClosing has g closed without the lock on kept: on a file system that hangs
// that takes for ever, and other locks are on others. Nobody hears of a close that
// fails: nothing has been written that could be lost.
func beginClosing(g keptGrant) {
	closed := make(chan struct{})
	kept.closing[closed] = struct{}{}
	go func() {
		g.close()
		kept.Lock()
		defer kept.Unlock()
		kept.open--
		delete(kept.closing, closed)
		close(closed)
	}()
}
