package sys

import (
	"io/fs"
	"syscall"
)

func idOf(fi fs.FileInfo) ID {
	d, ok := fi.Sys().(*syscall.Dir)
	if !ok {
		return ID{}
	}
	return ID{uint64(d.Type)<<32 | uint64(d.Dev), d.Qid.Path}
}
