//go:build linux && (amd64 || arm64)

package sys

import (
	"syscall"
	"unsafe"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// Package unix allocates for every path that it passes on.

func textOf(path string) *byte {
	text, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil
	}
	return text
}

// Stat is as the function of that name.
func (n Name) Stat() (Info, error) { return n.stat(fault.Stat, 0) }

// Lstat is as the function of that name.
func (n Name) Lstat() (Info, error) { return n.stat(fault.Lstat, unix.AT_SYMLINK_NOFOLLOW) }

func (n Name) stat(op fault.Op, flags int) (Info, error) {
	if n.text == nil { // it holds a NUL byte
		return Info{}, syscall.EINVAL
	}
	var st unix.Stat_t
	err := call(op, n.path, func() error {
		at := unix.AT_FDCWD
		_, _, errno := unix.Syscall6(statAt, uintptr(at), uintptr(unsafe.Pointer(n.text)), uintptr(unsafe.Pointer(&st)), uintptr(flags), 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return infoOf(&st), err
}
