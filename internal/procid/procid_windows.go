package procid

import (
	"errors"
	"path/filepath"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// space is the time of the boot, in units of 100 ns. When the clock is set, that
// time and moved change by as much.
func space() uint64 {
	var t struct { // SYSTEM_TIMEOFDAY_INFORMATION
		boot, _, _ int64
		_, _       uint32
		moved      uint64
		_          uint64
	}
	err := windows.NtQuerySystemInformation(windows.SystemTimeOfDayInformation,
		unsafe.Pointer(&t), uint32(unsafe.Sizeof(t)), nil)
	if err != nil {
		return 0
	}
	return uint64(t.boot) - t.moved
}

// with opens the process pid for questions.
func with(pid int, ask func(windows.Handle) error) error {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	return ask(h)
}

func stateOf(pid int) state {
	var code uint32
	err := with(pid, func(h windows.Handle) error { return windows.GetExitCodeProcess(h, &code) })
	const stillActive = 259 // STATUS_PENDING
	switch {
	case errors.Is(err, windows.ERROR_INVALID_PARAMETER):
		return gone
	case err == nil && code != stillActive:
		return gone // ended, and somebody has a handle of it still
	}
	return running
}

func created(pid int) (windows.Filetime, error) {
	var creation, exit, kernel, user windows.Filetime
	err := with(pid, func(h windows.Handle) error {
		return windows.GetProcessTimes(h, &creation, &exit, &kernel, &user)
	})
	return creation, err
}

// startToken is the FILETIME of the process's creation.
func startToken(pid int) string {
	t, err := created(pid)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(count(t), 10)
}

// count returns t in units of 100 ns.
func count(t windows.Filetime) uint64 { return uint64(t.HighDateTime)<<32 | uint64(t.LowDateTime) }

// plausible reports whether a process of this boot can have the token.
func plausible(token string) bool {
	start, err := strconv.ParseUint(token, 10, 64)
	var t windows.Filetime
	windows.GetSystemTimePreciseAsFileTime(&t) // time.Now is behind by up to 16 ms
	now := count(t)
	return err == nil && start <= now && start >= now-uint64(windows.DurationSinceBoot()/100)
}

func startedAt(pid int) time.Time {
	t, err := created(pid)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, t.Nanoseconds())
}

func commandOf(pid int) string {
	name := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(name))
	err := with(pid, func(h windows.Handle) error {
		return windows.QueryFullProcessImageName(h, 0, &name[0], &size)
	})
	if err != nil {
		return ""
	}
	return filepath.Base(windows.UTF16ToString(name[:size]))
}
