//go:build !windows

package sys

// Changed returns when f was changed, by the file system's clock: nanoseconds
// since 1970, or 0 where that is not known. Nobody can set this time.
func (f File) Changed() (at int64, err error) {
	info, err := f.Info()
	return info.Changed, err
}
