//go:build unix && !darwin

package sys

import "golang.org/x/sys/unix"

func fsync(fd int) error { return unix.Fsync(fd) }
