//go:build !linux && !darwin && !windows

package sys

// RenameExclusive fails: this system has no rename that leaves an existing
// file alone.
func RenameExclusive(oldpath, newpath string) error { return ErrNoNames }
