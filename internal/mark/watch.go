package mark

import (
	"sync"
	"time"
)

// A Watch looks now and then whether a marker that is held is still there. The
// zero value does not.
type Watch struct {
	mu    sync.Mutex
	timer *time.Timer // nil while nobody watches
	gone  func() bool
	lost  func()
}

// watchInterval is how often a holder looks whether its marker is still there.
const watchInterval = 250 * time.Millisecond

// Start has lost called, once, when gone says that the marker certainly is.
// Neither is called after Stop has returned, except that lost may be under way.
func (w *Watch) Start(gone func() bool, lost func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone, w.lost = gone, lost
	w.timer = time.AfterFunc(watchInterval, w.look)
}

// Resume undoes Stop.
func (w *Watch) Resume() { w.Start(w.gone, w.lost) }

// Stop reports whether the marker was being watched.
func (w *Watch) Stop() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return false
	}
	w.timer.Stop()
	w.timer = nil
	return true
}

func (w *Watch) look() {
	if w.isGone() {
		w.lost()
	}
}

// isGone arranges for the next look if the marker is there.
func (w *Watch) isGone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil { // not watched any more
		return false
	}
	if w.gone() {
		w.timer = nil
		return true
	}
	w.timer.Reset(watchInterval)
	return false
}
