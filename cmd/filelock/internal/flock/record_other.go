//go:build unix && !linux && !aix

package flock

import "golang.org/x/sys/unix"

// record fails: there are no such locks here.
func record(fd, how int, noWait bool) error { return unix.ENOTSUP }
