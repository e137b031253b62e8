//go:build unix

package marker_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

const noSuchNames = unix.EPERM

// trap puts something at path that must not be opened.
func trap(t *testing.T, path string) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())
}
