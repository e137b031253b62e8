package faultfs

import (
	"testing"
	"time"
)

// TestTwoStaleCaches has processes count by two mounts of one directory, each of
// which believes for a while what it has seen, and hears nothing of the other.
func TestTwoStaleCaches(t *testing.T) {
	const ttl = 300 * time.Millisecond
	backing := backing(t)
	one, other := bedOn(t, backing, ttl), bedOn(t, backing, ttl)
	for _, k := range chosen() {
		if k.Name == "remove" {
			continue // docs/guarantees.md says why
		}
		t.Run(k.Name, func(t *testing.T) {
			c := gather(t, k, one, other)
			c.goesOn(10, "stale caches")
			if !k.CanBreak { // as above
				c.replace(0)
			}
			c.goesOn(10, "stale caches")
			c.disperse()
		})
	}
}
