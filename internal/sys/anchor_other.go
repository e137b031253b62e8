//go:build !linux

package sys

// Anchor returns path: directories cannot be held here.
func Anchor(path string, _ bool) (at string, letGo func(), err error) {
	return path, func() {}, nil
}

// Anchored returns path.
func (f File) Anchored(path string) string { return path }
