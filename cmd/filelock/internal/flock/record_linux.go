package flock

import "golang.org/x/sys/unix"

// record takes or gives back an open file description lock on all of a file.
func record(fd, how int, noWait bool) error {
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	switch how {
	case unix.LOCK_SH:
		whole.Type = unix.F_RDLCK
	case unix.LOCK_UN:
		whole.Type = unix.F_UNLCK
	}
	command := unix.F_OFD_SETLKW
	if noWait {
		command = unix.F_OFD_SETLK
	}
	return unix.FcntlFlock(uintptr(fd), command, &whole)
}
