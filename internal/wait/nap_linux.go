package wait

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps for a time that is too short for [time.Sleep], which takes a
// millisecond at least.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&t, nil)
}

// uptime is a time that no test has stand still.
func uptime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}
