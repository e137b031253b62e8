package sys

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// Knock lets those who watch the file know that somebody is there, by giving it
// another time of access: nobody else has a use for that of a lock file, and of
// those who wait for the lock it wakes none. It reports whether a trace remains
// in the file, which only its owner can leave. Others could change both times
// if they may write, but that wakes all who wait.
func (f File) Knock() bool {
	return f.setTimes(&[2]unix.Timespec{unix.NsecToTimespec(time.Now().UnixNano()), {Nsec: unix.UTIME_OMIT}}) == nil
}

// Wake has those who watch the file hear that it is closed, which it is for them
// only when it is closed everywhere.
func (f File) Wake() {
	again, err := unix.Open("/proc/self/fd/"+strconv.Itoa(f.fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		unix.Close(again)
	}
}

// SetTimes sets when f was accessed and modified.
func (f File) SetTimes(t time.Time) error {
	at := unix.NsecToTimespec(t.UnixNano())
	return f.setTimes(&[2]unix.Timespec{at, at})
}

func (f File) setTimes(times *[2]unix.Timespec) error {
	return call(fault.Times, "", func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(f.fd), 0, uintptr(unsafe.Pointer(times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}
