package faultfs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// longestTarget is how long the kernel lets the target of a symbolic link be.
const longestTarget = 4095

// falsify has what is told of a file be different each time, but for its type, which
// the kernel does not let change.
func falsify(a *fuse.Attr) {
	a.Mode = a.Mode&^0o7777 | rand.Uint32N(0o10000)
	a.Uid, a.Gid, a.Nlink = rand.Uint32N(2), rand.Uint32N(2), rand.Uint32N(3)
	a.Size = rand.Uint64N(1 << 62)
	a.Mtime, a.Ctime, a.Atime = rand.Uint64N(1<<34), rand.Uint64N(1<<34), rand.Uint64N(1<<34)
}

// endless is an open directory that never ends.
type endless struct{ n uint64 }

func (d *endless) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	d.n++
	return &fuse.DirEntry{Name: fmt.Sprintf("name%d.lock", d.n), Mode: syscall.S_IFREG, Ino: d.n, Off: d.n}, 0
}
