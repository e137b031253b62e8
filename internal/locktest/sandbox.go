package locktest

import (
	"os"
	"runtime"
)

// Sandboxed reports whether gVisor is in the place of Linux. It does not tell who
// holds locks, and neither boots nor pid namespaces apart; it has no record locks
// of open files, and gives each name of a file locks of its own.
func Sandboxed() bool {
	_, err := os.Lstat("/proc/locks")
	return runtime.GOOS == "linux" && err != nil
}
