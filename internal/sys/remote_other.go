//go:build !linux

package sys

// IsRemote reports that nothing is known of it.
func IsRemote(path string) bool { return true }

// IsRemote reports that nothing is known of it.
func (f File) IsRemote() bool { return true }
