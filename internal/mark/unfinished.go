package mark

import "sync/atomic"

// Unfinished is the error of an attempt that failed, and has left a marker that
// could not be removed. Nobody but this process can tell that it is no hold.
type Unfinished struct {
	error
	path   string
	marker Marker
	taken  atomic.Bool
}

// NewUnfinished returns an error that says why m, at path, could not be removed.
func NewUnfinished(err error, path string, m Marker) error {
	return &Unfinished{error: err, path: path, marker: m}
}

// Unwrap returns why the marker could not be removed.
func (u *Unfinished) Unwrap() error { return u.error }

// Take returns the stand of the marker, to whoever comes first and ends it. Others
// get nil.
func (u *Unfinished) Take() *Stand {
	if !u.taken.CompareAndSwap(false, true) {
		return nil
	}
	s := NewStand(u.path, u.marker)
	return &s
}
