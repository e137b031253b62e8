//go:build linux && (amd64 || arm64)

package sys

import (
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stat is fstatat(2). Package unix would allocate for every path.
func stat(path string, st *unix.Stat_t, flags int) error {
	var text [256]byte
	if len(path) >= len(text) {
		return unix.Fstatat(unix.AT_FDCWD, path, st, flags)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return syscall.EINVAL
	}
	copy(text[:], path)
	at := unix.AT_FDCWD
	_, _, errno := unix.Syscall6(statAt, uintptr(at), uintptr(unsafe.Pointer(&text)), uintptr(unsafe.Pointer(st)), uintptr(flags), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
