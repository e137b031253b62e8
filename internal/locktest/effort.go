package locktest

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// Kills returns how many processes a test kills: usually so many, or what
// FILELOCK_KILLS says.
func Kills(t testing.TB, usually int) int { return effort(t, "FILELOCK_KILLS", fewer(usually)) }

// Seconds returns how long to go on with what could go on for ever: usually so
// many seconds, or what FILELOCK_SECONDS says.
func Seconds(t testing.TB, usually int) time.Duration {
	return time.Duration(effort(t, "FILELOCK_SECONDS", usually)) * time.Second
}

// Thorough reports whether there is time for more than usual, as CI has.
func Thorough() bool { return os.Getenv("FILELOCK_KILLS") != "" }

func effort(t testing.TB, variable string, usually int) int {
	s := os.Getenv(variable)
	if s == "" {
		return usually
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// fewer is n, but a quarter of it on Windows, where it takes longer to start a
// process or to open a file.
func fewer(n int) int {
	if runtime.GOOS == "windows" {
		return (n + 3) / 4
	}
	return n
}
