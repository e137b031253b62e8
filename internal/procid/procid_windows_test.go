package procid

import (
	"testing"

	"golang.org/x/sys/windows"
)

// TestLaw06SpaceIsTheTimeOfTheBoot: a number that all machines have would prove
// that processes of another one of the same name are dead.
func TestLaw06SpaceIsTheTimeOfTheBoot(t *testing.T) {
	var now windows.Filetime
	windows.GetSystemTimePreciseAsFileTime(&now)
	const day = 24 * 3600 * 1e7
	if boot := space(); boot > count(now) || boot < count(now)-5*365*day {
		t.Errorf("it is %d, and now %d", boot, count(now))
	}
	if again := space(); again != space() {
		t.Errorf("it is another one each time, %d", again)
	}
}
