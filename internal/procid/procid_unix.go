//go:build unix && !linux

package procid

import (
	"errors"

	"golang.org/x/sys/unix"
)

func stateOf(pid int) state {
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return gone
	}
	return running
}
