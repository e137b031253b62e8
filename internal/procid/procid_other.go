//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !windows

package procid

// Nothing is known of processes here, so nobody is ever known to be dead.
func space() uint64 { return 0 }
