//go:build !linux

package sys

// HasList reports that there is no list: it is not known here.
func HasList(string) (bool, error) { return false, nil }
