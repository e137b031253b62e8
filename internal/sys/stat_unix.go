//go:build unix && !(linux && (amd64 || arm64))

package sys

import "golang.org/x/sys/unix"

func stat(path string, st *unix.Stat_t, flags int) error {
	if flags == 0 {
		return unix.Stat(path, st)
	}
	return unix.Lstat(path, st)
}
