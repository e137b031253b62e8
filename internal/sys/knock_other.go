//go:build !linux

package sys

// Knock does nothing: nobody hears it here.
func (f File) Knock() bool { return false }

// Wake does nothing.
func (f File) Wake() {}
