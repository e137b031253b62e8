//go:build unix && !aix

package filelock

// CloseKept closes the lock files that are kept open.
func CloseKept() {
	kept.Lock()
	defer kept.Unlock()
	dropKept(0)
}

// Kept returns how many locks are remembered that have been released.
func Kept() int {
	kept.Lock()
	defer kept.Unlock()
	return len(kept.places)
}
