package filelock

import (
	"time"

	"github.com/gofilelock/filelock/internal/mark"
)

// NewSoftBreaking is NewSoft with another way to break stale markers.
func NewSoftBreaking(path string, breaks func(string, mark.Evidence) (bool, error), opts ...FileOption) *SoftFileLock {
	return &SoftFileLock{(&softBackend{path: path, breaks: breaks}).core(opts)}
}

// Queues returns how many locks the process has or awaits.
func Queues() int {
	table.Lock()
	defer table.Unlock()
	return len(table.queues)
}

// CloseKept ends what is kept of locks that have been released.
func CloseKept() { closeKept() }

// KeepLong has what is kept of locks be kept until the returned function is
// called, however slow the machine is. Nothing is, or is being closed, before and
// after that.
func KeepLong() (restore func()) {
	closeKept()
	kept.Lock()
	defer kept.Unlock()
	usually := idle
	idle = time.Hour
	return func() {
		closeKept()
		kept.Lock()
		defer kept.Unlock()
		idle = usually
		kept.cleaner.Done() // which would come in an hour
	}
}

// Kept returns how many locks are remembered that have been released.
func Kept() int {
	kept.Lock()
	defer kept.Unlock()
	return len(kept.places)
}

// SetClocks has leases judged by other clocks until restore is called.
func SetClocks(other func() (steady time.Duration, wall time.Time)) (restore func()) {
	own := clocks
	clocks = other
	return func() { clocks = own }
}
