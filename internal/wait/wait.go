// Package wait waits for a lock to become free. What it waits for are hints
// that another try may succeed, never the truth.
package wait

import (
	"context"
	"errors"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

// The pauses between two tries that nothing is heard in. They begin with the
// first and double, up to the longest. There is more to hear than events tell:
// a holder may unlock a file and keep it open, and on network file systems
// others are not heard at all. To wake up costs a process some 300 µs.
const (
	firstPause    = time.Millisecond
	longestSilent = 50 * time.Millisecond // where not all is heard
	longestHeard  = 2 * time.Second       // where it mostly is
)

// After a pause, tries follow each other for the length of a spin: those who
// block in the system are woken when the lock is free, and whoever is at it at
// that moment is before them. Where there are events that is needed only if
// others have been faster many times in a row.
const (
	spin      = 200 * time.Microsecond
	longSpins = 64 * time.Millisecond // after longer pauses there are none
	patience  = 8                     // events, or looks at a path that leads nowhere
)

// A Wait is the time between the tries of one acquisition.
type Wait struct {
	path    string
	events  uint32
	longest time.Duration       // 0: as above
	knock   func() (heard bool) // lets the holder know; may be nil
	holder  func() (pid int)    // may be nil

	pause    time.Duration
	timer    *time.Timer
	watch    *Watch
	id       sys.ID // of what is watched
	silent   bool   // there are no events
	doubtful bool   // there may be more to hear than is heard
	knocked  bool
	gone     int       // times in a row that nothing was at the path
	lost     int       // events after which the lock was not to be had
	again    bool      // look once more soon after an event
	spinning time.Time // until when to try without a pause
}

// New begins to wait for the lock of what is at path, after a try has failed, by
// the events that tell of its release. An empty path is of nothing that can be
// watched. The longest pause between two tries can be chosen; 0 leaves it open.
// The function knock makes the holder aware that somebody waits, and reports
// whether it can be.
func New(path string, events uint32, longest time.Duration, knock func() bool) *Wait {
	return &Wait{
		path: path, events: events, longest: longest, knock: knock,
		pause: firstPause, silent: path == "",
	}
}

// EndsWith has the wait look out for the end of the process that holder returns,
// on this machine. It is asked for each file that is watched, and may return 0,
// or be nil.
func (w *Wait) EndsWith(holder func() (pid int)) { w.holder = holder }

// Persevere tries after each pause until try gets the lock, or fails for another
// reason than the one that busy is, and ends the wait.
func (w *Wait) Persevere(ctx context.Context, busy error, try func() error) error {
	defer w.Close()
	for {
		if err := w.Pause(ctx); err != nil {
			return err
		}
		if err := try(); !errors.Is(err, busy) {
			return err
		}
	}
}

// Close ends the wait.
func (w *Wait) Close() {
	w.unwatch()
	if w.timer != nil {
		w.timer.Stop()
	}
}

// Pause returns when another try may succeed, or with an error when ctx ends.
func (w *Wait) Pause(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !w.spinning.IsZero() {
		if time.Now().Before(w.spinning) {
			return nil
		}
		w.spinning = time.Time{}
	}
	if !w.silent && w.begins() || w.knocks() {
		return nil // what happened before that has not been heard
	}
	if w.watch == nil {
		return w.sleep(ctx)
	}
	limit := w.limit()
	if w.again {
		limit = min(limit, firstPause)
	}
	event, err := w.watch.Await(ctx, limit)
	w.knocked = false
	switch {
	case event == Replaced: // by one with the same number, perhaps
		w.unwatch()
	case event == Happened:
		w.lost++
		w.again = true // who closes a file before it is unlocked tells too early
		if w.lost > patience {
			w.spinning = time.Now().Add(spin)
		}
	case event == 0 && w.again:
		w.again = false
	case event == 0:
		if w.pause <= longSpins {
			w.spinning = time.Now().Add(spin)
		}
		w.pause *= 2
	}
	return err
}

// begins makes sure that what is at the path is watched. It reports whether it
// has not been until now.
func (w *Wait) begins() bool {
	at, err := sys.Lstat(w.path)
	if w.watch != nil && err == nil && at.ID == w.id {
		return false
	}
	w.unwatch()
	w.knocked = false
	if err != nil { // it has just gone, or can never be looked at
		w.gone++
		return w.gone <= patience
	}
	w.gone = 0
	w.id = at.ID
	w.watch, err = NewWatch(w.path, w.events)
	w.silent = err != nil
	if !w.silent && w.holder != nil {
		w.watch.endsWith(w.holder())
	}
	w.doubtful = sys.IsRemote(w.path)
	return true
}

func (w *Wait) unwatch() {
	if w.watch != nil {
		w.watch.Close()
		w.watch = nil
	}
}

// knocks lets the holder know of this wait, once for each pause. It reports
// whether it has just done so.
func (w *Wait) knocks() bool {
	if w.knocked || w.knock == nil || w.watch == nil {
		return false
	}
	w.knocked = true
	if !w.knock() {
		w.doubtful = true
	}
	return true
}

// limit returns how long the next pause may be.
func (w *Wait) limit() time.Duration {
	longest := longestHeard
	switch {
	case w.longest > 0:
		longest = w.longest
	case w.watch == nil || w.doubtful:
		longest = longestSilent
	}
	w.pause = min(w.pause, longest)
	return w.pause
}

// sleep is a pause without events.
func (w *Wait) sleep(ctx context.Context) error {
	limit := w.limit()
	if w.timer == nil {
		w.timer = time.NewTimer(limit)
	} else {
		w.timer.Reset(limit)
	}
	w.pause *= 2
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.timer.C:
		return nil
	}
}
