//go:build !linux && !darwin && !windows

package uptime

import "time"

// SinceBoot is not known here.
func SinceBoot() (up time.Duration, ok bool) { return 0, false }
