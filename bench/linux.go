//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the benchmarks need of the system.

const supported = true

func systemClock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// cpuTime returns how long a process has run so far, all its threads together,
// to the nanosecond: its clock as of clock_getcpuclockid(3).
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|2), &t)
	return time.Duration(t.Nano()), err
}

// threads returns how many threads this process has.
func threads() (int, error) {
	all, err := os.ReadDir("/proc/self/task")
	return len(all), err
}

// openFiles returns how many files this process can have open.
func openFiles() (int, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return int(min(limit.Cur, 1<<30)), err
}

// sharedWord returns a number in a file that exists, in memory that all
// processes share. It stays mapped.
func sharedWord(path string) (*uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int(unsafe.Sizeof(uint64(0)))
	m, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	return (*uint64)(unsafe.Pointer(unsafe.SliceData(m))), nil
}

// machine says where and beside what the figures come from.
func machine() string {
	read := func(path string) string {
		b, _ := os.ReadFile(filepath.Join("/proc", path))
		return strings.TrimSpace(string(b))
	}
	load, _, _ := strings.Cut(read("loadavg"), " ")
	return fmt.Sprintf("%s/%s %s, %s, %d processors, load %s",
		runtime.GOOS, runtime.GOARCH, version(read("sys/kernel/osrelease")), runtime.Version(), runtime.NumCPU(), load)
}

// version cuts a kernel's release down to what matters, as 6.12 is.
func version(release string) string {
	parts := strings.SplitN(release, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
