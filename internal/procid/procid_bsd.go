//go:build freebsd || netbsd || openbsd

package procid

import (
	"hash/fnv"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// space is the time of the boot. It changes when the clock is set, which only
// makes a marker from before that read as held.
func space() uint64 {
	if runtime.GOOS == "freebsd" {
		// From within a jail other processes look dead.
		if jailed, err := unix.SysctlUint32("security.jail.jailed"); err != nil || jailed != 0 {
			return 0
		}
	}
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(strconv.FormatInt(int64(boot.Sec), 10)))
	return h.Sum64()
}

// startToken is unknown, so an id that is used again reads as alive.
func startToken(int) string { return "" }

func commandOf(int) string { return "" }

func startedAt(int) time.Time { return time.Time{} }
