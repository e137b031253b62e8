package procid

import (
	"bytes"
	"errors"
	"hash/fnv"
	"io/fs"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/uptime"
)

// ProcIsOurs reports whether /proc shows the processes by the ids that system
// calls here take. After entering a container by halves it may not.
var ProcIsOurs = lasting(func() bool {
	pid := strconv.Itoa(os.Getpid())
	self, err := os.Readlink("/proc/self")
	if err != nil || self != pid {
		return false
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	// Numbers of two namespaces may agree by chance. Kernels before 4.1, and
	// gVisor, do not list them.
	ids := idsOf(status)
	return ids == nil || slices.Equal(ids, []string{pid})
})

// idsOf returns the ids of a process from its /proc/PID/status: one for each
// pid namespace that it is in, from that of /proc inwards.
func idsOf(status []byte) []string {
	for line := range bytes.Lines(status) {
		if ids, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			return strings.Fields(string(ids))
		}
	}
	return nil
}

var bootID = lasting(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSpace(string(id)), "-", "")
})

func space() uint64 {
	if !ProcIsOurs() || bootID() == "" {
		return 0
	}
	pids, err := os.Readlink("/proc/self/ns/pid")
	clock, ok := clockOf("self")
	if err != nil || !ok {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(bootID() + " " + pids + " " + clock))
	return h.Sum64()
}

// clockOf names the time namespace of a process. Each has a boottime of its own
// (time_namespaces(7)), and /proc tells the start of all processes by that of
// whoever reads. Kernels without such namespaces have one clock without a name.
func clockOf(pid string) (name string, ok bool) {
	name, err := os.Readlink("/proc/" + pid + "/ns/time")
	return name, err == nil || errors.Is(err, fs.ErrNotExist)
}

// sameClock reports whether it is certain that the process pid reads its start
// as this one does.
func sameClock(pid int) bool {
	ours, ok := clockOf("self")
	theirs, okTheirs := clockOf(strconv.Itoa(pid))
	return ok && okTheirs && ours == theirs
}

// stat holds what is needed of /proc/PID/stat, proc(5).
type stat struct {
	state   byte
	threads int
	ticks   uint64 // when it started, since boot
}

func readStat(pid int) (s stat, ok bool) {
	if !ProcIsOurs() {
		return s, false
	}
	data, err := os.ReadFile(statPath(pid))
	if err != nil {
		return s, false
	}
	return parseStat(data)
}

// statPath is that of the first thread, which tells the same of the process.
// Emulators (qemu-user) have a /proc/PID/stat of their own for who reads its own,
// with another start than others read.
func statPath(pid int) string {
	id := strconv.Itoa(pid)
	return "/proc/" + id + "/task/" + id + "/stat"
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

// plausible reports whether a process of this boot can have the token. Ticks
// that are yet to come are of another time namespace or, without a boot, of
// another system, all of which count from long ago.
func plausible(token string) bool {
	boot, ticks, ok := split(token)
	up, okUp := uptime.SinceBoot()
	if !ok || !okUp || ticks > uint64(up/tick) {
		return false
	}
	ours, ok := new(big.Int).SetString(bootID(), 16)
	return boot.Sign() == 0 || ok && boot.Cmp(ours) == 0
}

func commandOf(pid int) string {
	if !ProcIsOurs() {
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

// tick is that of USER_HZ, which is the same wherever Go runs.
const tick = time.Second / 100

func startedAt(pid int) time.Time {
	s, ok := readStat(pid)
	if !ok {
		return time.Time{}
	}
	up, ok := uptime.SinceBoot()
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(s.ticks)*tick - up).Round(0)
}
