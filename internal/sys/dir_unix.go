//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// directory holds the flags that a directory is opened with.
const directory = unix.O_DIRECTORY | unix.O_NONBLOCK

// notSymlink is what readlink(2) fails with where there is something else.
const notSymlink = unix.EINVAL

func rmdir(path string) error           { return syscall.Rmdir(path) }
func symlink(target, path string) error { return syscall.Symlink(target, path) }

// immutable reports whether nobody may make anything in the directory, be it root.
func immutable(dir string) bool { return unix.Access(dir, unix.W_OK) == unix.EPERM }

func busy(err error) error { return err }
