package uptime

import (
	"time"

	"golang.org/x/sys/windows"
)

// SinceBoot is how long ago the machine was started.
func SinceBoot() (up time.Duration, ok bool) { return windows.DurationSinceBoot(), true }
