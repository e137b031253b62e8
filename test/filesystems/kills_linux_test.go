package filesystems

import (
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// TestKilledProcessesLoseNoCount kills processes at random moments while they
// count under a lock of each kind, on each file system: never do two have the
// lock, no count is lost, and the lock never stays taken.
func TestKilledProcessesLoseNoCount(t *testing.T) {
	t.Parallel()
	const processes, goroutines = 3, 2
	n := max(1, locktest.Kills(t, 150)/(len(kinds)*len(beds)))
	everywhere(t, func(t *testing.T, b bed, dir string) {
		for _, k := range b.kinds() {
			t.Run(k.Name, func(t *testing.T) {
				crowd := locktest.Gather(t, k, locktest.NewSceneIn(t, newDirIn(t, dir)), processes, goroutines)
				for range n {
					crowd.KillOne()
				}
				crowd.End()
			})
		}
	})
}
