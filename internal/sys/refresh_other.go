//go:build !linux

package sys

// OnDisk reports that there is nobody to ask: see [Refresh].
func (id ID) OnDisk() bool { return true }

// Refresh does nothing: this system cannot be made to ask.
func Refresh(dir string) error { return nil }
