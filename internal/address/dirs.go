package address

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

// dirs remembers some of the directories that were looked up last.
var dirs [64]atomic.Pointer[dir]

type dir struct {
	path string
	id   sys.ID
	at   atomic.Int64 // when it was looked up, in nanoseconds since began
}

var (
	began = time.Now()
	seed  = maphash.MakeSeed()
)

// fresh is for how long nobody asks again. It saves a busy process a stat for
// each acquisition. Meanwhile somebody may give the directory another name,
// which puts an acquisition into the wrong queue: then it is the system that
// keeps others out.
const fresh = time.Millisecond

// numberOf returns the number of the directory at path, which begins at the
// root.
func numberOf(path string) (sys.ID, error) {
	now := int64(time.Since(began))
	slot := &dirs[maphash.String(seed, path)%uint64(len(dirs))]
	d := slot.Load()
	known := d != nil && d.path == path
	if known && now-d.at.Load() < int64(fresh) {
		return d.id, nil
	}
	info, err := sys.Stat(path)
	switch {
	case err != nil:
	case known && d.id == info.ID:
		d.at.Store(now)
	default:
		d = &dir{path: path, id: info.ID}
		d.at.Store(now)
		slot.Store(d)
	}
	return info.ID, err
}
