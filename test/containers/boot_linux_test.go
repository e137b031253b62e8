package containers

import (
	"strings"
	"testing"
)

// TestLaw06MarkerOfAnotherBootIsHeld has processes that share ids, as they do
// after a reboot, and whose boots are not the same. Whoever looks is told why
// the marker of a soft lock is not broken.
func TestLaw06MarkerOfAnotherBootIsHeld(t *testing.T) {
	here, after := box{}.agent(t), beside.with(boot(t)).agent(t)
	for _, k := range those(marks) {
		for _, w := range []struct{ before, after world }{{here, after}, {after, here}} {
			path := folder(t)
			pid := w.before.holds("holder", k, path)
			for _, alive := range []bool{true, false} {
				if !alive {
					w.before.kill("holder")
				}
				s := w.after.refused(k, path)
				if s.pid != pid || k.places && s.described {
					t.Errorf("%s, alive: %v: the holder is %s", k.Name, alive, s.text)
				}
				if k.Name == "soft" && !strings.Contains(s.text, "another boot") {
					t.Errorf("alive: %v: it is not said why: %s", alive, s.text)
				}
			}
			if k.proves {
				if s := w.before.look(k, path); !s.stale {
					t.Errorf("%s: in its own boot it is seen as %+v", k.Name, s)
				}
			}
			breakUp(t, k, path)
			free(t, k, path)
			clean(t, k, path)
		}
	}
}
