//go:build !unix || aix

package flock

import (
	"fmt"
	"os"
)

// Main says that there is no flock(2) here, and returns an exit status.
func Main(args []string, stdout, stderr *os.File) int {
	fmt.Fprintln(stderr, "flock: not supported on this system (see filelock run)")
	return 69
}
