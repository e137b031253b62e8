package uptime

import (
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is how long ago the machine was started.
func SinceBoot() (up time.Duration, ok bool) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // which counts sleep here
	return time.Duration(ts.Nano()), err == nil
}
