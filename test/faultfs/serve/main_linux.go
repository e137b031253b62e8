// Command serve is the process that a file system of the tests is in:
//
//	serve DIR MOUNTPOINT TTL WAY
//
// The arguments, and what it reads and writes, are those of [faultfs.Serve]. It is a
// process of its own, since the tests count what they have open, and a program of its
// own, which the race detector of the tests does not slow down.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/gofilelock/filelock/test/faultfs"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	ttl, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	return faultfs.Serve(args[0], args[1], ttl, faultfs.Way(args[3]), os.Stdin, os.Stdout)
}
