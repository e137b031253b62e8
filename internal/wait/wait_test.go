package wait

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

// pauses returns when n pauses of a wait without events end.
func pauses(t *testing.T, longest time.Duration, n int) (at []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := New("", 0, longest, nil)
		defer w.Close()
		start := time.Now()
		for range n {
			if err := w.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(start))
		}
	})
	return at
}

func TestPausesGrow(t *testing.T) {
	const ms = time.Millisecond
	want := []time.Duration{ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 113 * ms, 163 * ms}
	for i, at := range pauses(t, 0, len(want)) {
		if at != want[i] {
			t.Errorf("pause %d ends after %v, want %v", i, at, want[i])
		}
	}
}

func TestPausesHeedTheInterval(t *testing.T) {
	at := pauses(t, 100*time.Microsecond, 10)
	if d := at[9]; d != time.Millisecond {
		t.Errorf("10 pauses took %v", d)
	}
}

func TestPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		w := New("", 0, time.Hour, nil)
		defer w.Close()
		var err error
		for err == nil {
			err = w.Pause(ctx)
		}
		if err != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("Pause returned %v after %v", err, time.Since(start))
		}
		if err := w.Pause(ctx); err != context.DeadlineExceeded {
			t.Errorf("Pause returned %v", err)
		}
	})
}
