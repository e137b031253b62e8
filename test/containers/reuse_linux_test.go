package containers

import (
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// TestLaw06IDThatIsUsedAgainProvesDeath has the next process get the id of a
// holder who was killed. If it was started in another hundredth of a second, a
// soft lock's holder is known to be dead: in the same one it may be the holder.
// Other markers do not say when their holder was started.
func TestLaw06IDThatIsUsedAgainProvesDeath(t *testing.T) {
	w := container.agent(t)
	all := those(proves)
	for _, k := range all {
		alike := 0
		n := locktest.Kills(t, 40) / len(all)
		for range n {
			path := folder(t)
			pid := w.holds("holder", k, path)
			start := w.since("holder")
			w.kill("holder")
			w.startsAs(pid, "heir", "idle")
			other := w.since("heir") != start
			if !other {
				alike++
			}
			if s := w.look(k, path); !s.held || s.stale != (k.Name == "soft" && other) {
				t.Fatalf("%s, started at another time: %v: it is seen as %+v", k.Name, other, s)
			}
			if got := w.tries(k, path); got != (k.Name == "soft" && other) {
				t.Fatalf("%s, started at another time: %v: had: %v", k.Name, other, got)
			}
			w.kill("heir")
			if !w.tries(k, path) {
				t.Fatalf("%s: a dead holder keeps the lock", k.Name)
			}
			clean(t, k, path)
		}
		t.Logf("%s: %d ids used again, %d of them within a hundredth of a second", k.Name, n, alike)
	}
}
