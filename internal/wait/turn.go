package wait

import (
	"sync"
	"time"
)

// A Turn is the time for which this process has a lock and hands it from one of
// its own to the next. The zero Turn has not begun: it does with the first
// hand-over.
//
// Handing on is much faster than giving back, so a busy process would keep
// everybody else out for ever. It listens for them, and a turn is short when
// somebody has been heard of late. At the end of a turn the process stands back
// for an instant in which others can come first.
type Turn struct{ *handing }

// handing is what there is to know once it has begun.
type handing struct {
	began  time.Time
	looked time.Time
	looks  bool
	watch  *Watch
	deaf   bool // nobody can be heard here
	over   bool
}

const (
	longTurn   = 5 * time.Millisecond
	shortTurn  = 500 * time.Microsecond
	memory     = 100 * time.Millisecond // of those who have been heard
	attention  = 100 * time.Microsecond // between two looks
	standsBack = 200 * time.Microsecond
)

// GoesOn reports whether the lock of what is at path may be handed on.
func (t *Turn) GoesOn(path string) bool {
	now := time.Now()
	if t.handing == nil {
		t.handing = &handing{began: now}
	}
	if t.watch == nil && !t.deaf {
		var err error
		t.watch, err = NewWatch(path, Arriving)
		if t.deaf = err != nil; !t.deaf {
			t.watch.Look() // what is told now we may have done ourselves
		}
	}
	if t.looks = now.Sub(t.looked) >= attention; t.looks {
		t.looked = now
		if t.watch != nil && t.watch.Look() != 0 {
			Heard(path)
		}
	}
	limit := longTurn
	if t.deaf || heardOf(path, now) {
		limit = shortTurn
	}
	t.over = now.Sub(t.began) >= limit
	return !t.over
}

// Looks reports whether GoesOn was not called a moment ago, so that it is time to
// look at more than every time.
func (t *Turn) Looks() bool { return t.looks }

// End ends the turn, after the lock has been given back.
func (t *Turn) End() {
	if t.handing == nil {
		return
	}
	if t.watch != nil {
		t.watch.Close()
		t.watch = nil
	}
	if t.over {
		nap(standsBack)
	}
}

// others says when somebody outside this process was last heard of who wants
// the lock at a path. A marker is another file each time.
var others = struct {
	sync.Mutex
	heard map[string]time.Time
}{heard: map[string]time.Time{}}

// Heard notes that somebody outside wants, or has had, the lock of what is at
// path.
func Heard(path string) {
	others.Lock()
	defer others.Unlock()
	now := time.Now()
	for other, at := range others.heard {
		if now.Sub(at) > memory {
			delete(others.heard, other)
		}
	}
	others.heard[path] = now
}

func heardOf(path string, now time.Time) bool {
	others.Lock()
	defer others.Unlock()
	at, ok := others.heard[path]
	return ok && now.Sub(at) <= memory
}
