// Package wait waits for a lock to become free. What it waits for are hints
// that another try may succeed, never the truth.
package wait

import (
	"context"
	"time"
)

// DefaultInterval is the longest pause between two tries where nothing else is
// asked for.
const DefaultInterval = 50 * time.Millisecond

const firstPause = time.Millisecond

// Poll calls try until it succeeds or fails for good, and returns what it
// returned, or until ctx ends, and returns the context's error. Between tries
// it pauses, a millisecond at first and twice as long each time, up to
// longest; 0 stands for [DefaultInterval].
func Poll[T any](ctx context.Context, longest time.Duration, try func() (v T, done bool, err error)) (T, error) {
	if longest <= 0 {
		longest = DefaultInterval
	}
	pause := min(firstPause, longest)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		if v, done, err := try(); done || err != nil {
			return v, err
		}
		select {
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, longest)
		timer.Reset(pause)
	}
}
