package uptime

import (
	"time"

	"golang.org/x/sys/unix"
)

// SinceBoot is how long ago the machine was started, or its time namespace says
// that it was.
func SinceBoot() (up time.Duration, ok bool) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano()), err == nil
}
