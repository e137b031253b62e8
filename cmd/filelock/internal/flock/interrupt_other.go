//go:build unix && !linux && !aix

package flock

import "time"

// acquireUntil polls: there is no way here to end a wait in the kernel.
func (s *settings) acquireUntil(fd int, deadline time.Time) error {
	return s.pollUntil(fd, deadline)
}

// obeySignals leaves signals to the runtime: SIGHUP, SIGINT and SIGTERM end the
// program.
func (s *settings) obeySignals() {}
