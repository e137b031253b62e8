package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPollBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		v, err := Poll(t.Context(), 0, func() (int, bool, error) {
			at = append(at, time.Since(start))
			return 42, len(at) == 9, nil
		})
		if v != 42 || err != nil {
			t.Errorf("Poll returned %d, %v", v, err)
		}
		const ms = time.Millisecond
		want := []time.Duration{0, ms, 3 * ms, 7 * ms, 15 * ms, 31 * ms, 63 * ms, 113 * ms, 163 * ms}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("tries were at %v, want %v", at, want)
				break
			}
		}
	})
}

func TestPollHeedsTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, n := time.Now(), 0
		Poll(t.Context(), 100*time.Microsecond, func() (int, bool, error) { n++; return 0, n == 11, nil })
		if d := time.Since(start); d != time.Millisecond {
			t.Errorf("10 pauses took %v", d)
		}
	})
}

func TestPollEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := Poll(ctx, time.Hour, func() (int, bool, error) { return 1, false, nil })
		if err != context.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("Poll returned %v after %v", err, time.Since(start))
		}
	})
}

func TestPollEndsWithAnError(t *testing.T) {
	failure := errors.New("for good")
	n := 0
	_, err := Poll(context.Background(), 0, func() (int, bool, error) { n++; return 0, false, failure })
	if err != failure || n != 1 {
		t.Errorf("Poll returned %v after %d tries", err, n)
	}
}
