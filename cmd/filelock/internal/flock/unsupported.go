//go:build !unix || aix

package flock

import (
	"fmt"
	"os"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// Command returns the command line that there is on other systems, without its
// options.
func Command() *getopt.Command {
	return &getopt.Command{Name: "flock", Synopsis: []string{"..."}, About: "Not supported on this system."}
}

// Main says that there is no flock(2) here, and returns an exit status.
func Main(args []string, stdout, stderr *os.File) int {
	fmt.Fprintln(stderr, "flock: not supported on this system (see filelock run)")
	return 69
}
