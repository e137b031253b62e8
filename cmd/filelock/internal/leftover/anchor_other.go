//go:build !linux

package leftover

// anchor returns path: directories cannot be held here.
func anchor(path string, _ bool) (at string, letGo func(), err error) {
	return path, func() {}, nil
}
