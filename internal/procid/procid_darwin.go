package procid

import (
	"hash/fnv"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func space() uint64 {
	session, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil || session == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(session))
	return h.Sum64()
}

// startToken counts microseconds since 1970.
func startToken(pid int) string {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || p.Proc.P_pid != int32(pid) {
		return ""
	}
	start := p.Proc.P_starttime
	return strconv.FormatInt(start.Sec*1e6+int64(start.Usec), 10)
}

// plausible reports whether a process of this boot can have the token.
func plausible(token string) bool {
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return false
	}
	start, err := strconv.ParseInt(token, 10, 64)
	return err == nil && start >= boot.Sec*1e6 && start <= time.Now().UnixMicro()
}

func commandOf(pid int) string {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || p.Proc.P_pid != int32(pid) {
		return ""
	}
	return unix.ByteSliceToString(p.Proc.P_comm[:])
}

func startedAt(pid int) time.Time {
	micros, err := strconv.ParseInt(startToken(pid), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(micros)
}
