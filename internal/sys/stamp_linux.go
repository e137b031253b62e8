package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Stamp sets the file's time of modification to now. The system's own times
// stand still for some milliseconds, so that several files can have the same,
// and do if this fails.
func (f File) Stamp() {
	f.setTimes(&[2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(time.Now().UnixNano())})
}
