//go:build unix

package filelock_test

import "golang.org/x/sys/unix"

func alive(pid int) bool { return pid > 0 && unix.Kill(pid, 0) == nil }
