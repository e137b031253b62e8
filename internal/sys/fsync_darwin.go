package sys

import "golang.org/x/sys/unix"

// fsync has the drive write what it has, where it can be asked to: fsync(2)
// alone leaves it to the drive.
func fsync(fd int) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0); err == nil {
		return nil
	}
	return unix.Fsync(fd)
}
