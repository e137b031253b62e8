// Package uptime tells time by a clock that nobody sets.
package uptime

import "time"

var began = time.Now()

// Steady is a time that goes on while the machine is suspended, which that of
// package time does not, where the system has such a clock. It begins anywhere.
func Steady() time.Duration {
	if up, ok := SinceBoot(); ok {
		return up
	}
	return time.Since(began)
}
