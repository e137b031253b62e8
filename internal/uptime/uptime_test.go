package uptime

import (
	"testing"
	"time"
)

func TestSteadyGoesOnWithTime(t *testing.T) {
	steady, start := Steady(), time.Now()
	for time.Since(start) < 50*time.Millisecond {
		now := Steady()
		if now < steady {
			t.Fatalf("%v came after %v", now, steady)
		}
	}
	// A tick of the coarsest clock is 16 ms.
	if passed := Steady() - steady; passed < 30*time.Millisecond {
		t.Errorf("in 50 ms it went on by %v", passed)
	}
}
