//go:build !linux || !(amd64 || arm64)

package sys

func textOf(string) *byte { return nil }

// Stat is as the function of that name.
func (n Name) Stat() (Info, error) { return Stat(n.path) }

// Lstat is as the function of that name.
func (n Name) Lstat() (Info, error) { return Lstat(n.path) }
