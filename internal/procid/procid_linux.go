package procid

import (
	"bytes"
	"errors"
	"hash/fnv"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// procIsOurs reports whether /proc shows the processes by the ids that system
// calls here take. After entering a container by halves it may not.
var procIsOurs = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSpace(string(id)), "-", "")
})

func space() uint64 {
	if !procIsOurs() || bootID() == "" {
		return 0
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(bootID() + " " + namespace))
	return h.Sum64()
}

// stat holds what is needed of /proc/PID/stat, proc(5).
type stat struct {
	state   byte
	threads int
	ticks   uint64 // when it started, since boot
}

func readStat(pid int) (s stat, ok bool) {
	if !procIsOurs() {
		return s, false
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, false
	}
	return parseStat(data)
}

// parseStat counts fields after the last closing parenthesis: the command's
// name, in parentheses, may hold anything.
func parseStat(data []byte) (s stat, ok bool) {
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	const state, threads, start = 0, 17, 19 // fields 3, 20 and 22
	if len(fields) <= start || len(fields[state]) != 1 {
		return s, false
	}
	s.state = fields[state][0]
	var err1, err2 error
	s.threads, err1 = strconv.Atoi(string(fields[threads]))
	s.ticks, err2 = strconv.ParseUint(string(fields[start]), 10, 64)
	return s, err1 == nil && err2 == nil
}

func stateOf(pid int) state {
	// The system call and not /proc, which may hide other users' processes.
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return gone
	}
	// A process that has ended and that nobody has waited for. One whose first
	// thread has ended, with others going on, looks alike but for their number.
	if s, ok := readStat(pid); ok && (s.state == 'Z' || s.state == 'X') && s.threads <= 1 {
		return gone
	}
	return running
}

func startToken(pid int) string {
	s, ok := readStat(pid)
	if !ok {
		return ""
	}
	token, ok := new(big.Int).SetString(bootID(), 16)
	if !ok {
		return ""
	}
	token.Lsh(token, 64)
	return token.Or(token, new(big.Int).SetUint64(s.ticks)).String()
}

func commandOf(pid int) string {
	if !procIsOurs() {
		return ""
	}
	dir := "/proc/" + strconv.Itoa(pid)
	line, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return ""
	}
	if len(line) == 0 { // a kernel thread, or a zombie
		line, _ = os.ReadFile(dir + "/comm")
	}
	return strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " ")
}

// ticksPerSecond is USER_HZ, which is the same wherever Go runs.
const ticksPerSecond = 100

func startedAt(pid int) time.Time {
	s, ok := readStat(pid)
	if !ok {
		return time.Time{}
	}
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}
	}
	age := time.Duration(up.Nano()) - time.Duration(s.ticks)*(time.Second/ticksPerSecond)
	return time.Now().Add(-age).Round(0)
}
