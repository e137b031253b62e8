//go:build unix && !linux && !aix

package sys

import (
	"time"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// SetTimes sets when f was accessed and modified.
func (f File) SetTimes(t time.Time) error {
	at := unix.NsecToTimeval(t.UnixNano())
	return call(fault.Times, "", func() error { return unix.Futimes(f.fd, []unix.Timeval{at, at}) })
}
