//go:build freebsd || netbsd || openbsd

package procid

import (
	"hash/fnv"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// space is the time of the boot. It changes when the clock is set, which only
// makes a marker from before that read as held.
func space() uint64 {
	if runtime.GOOS == "freebsd" && hidden() {
		return 0
	}
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(strconv.FormatInt(int64(boot.Sec), 10)))
	return h.Sum64()
}

// hidden reports whether other processes may look dead (kill(2) says ESRCH): to
// whoever is in a jail, or where users do not see each other (security(7)).
func hidden() bool {
	for name, open := range map[string]uint32{
		"security.jail.jailed":        0,
		"security.bsd.see_other_uids": 1,
		"security.bsd.see_other_gids": 1,
		"security.bsd.see_jail_proc":  1,
	} {
		if v, err := unix.SysctlUint32(name); err != nil || v != open {
			return true
		}
	}
	return false
}
