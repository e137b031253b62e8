//go:build unix

package filelock_test

import "golang.org/x/sys/unix"

const noSuchLocks = unix.ENOLCK

const noSuchNames = unix.EPERM
