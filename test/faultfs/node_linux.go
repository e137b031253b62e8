package faultfs

import (
	"bytes"
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A node is a file or directory that shows another one.
type node struct {
	*fs.LoopbackNode
	faults *injector
}

func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{child.(*fs.LoopbackNode), n.faults}
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.faults.do(Lookup, func() syscall.Errno {
		child, errno = n.LoopbackNode.Lookup(ctx, name, out)
		return errno
	})
	if n.faults.lies(Lookup) {
		falsify(&out.Attr)
	}
	return child, errno
}

func (n *node) Getattr(ctx context.Context, h fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	errno := n.faults.do(Getattr, func() syscall.Errno { return n.LoopbackNode.Getattr(ctx, h, out) })
	if n.faults.lies(Getattr) {
		falsify(&out.Attr)
	}
	return errno
}

func (n *node) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.faults.do(Setattr, func() syscall.Errno { return n.LoopbackNode.Setattr(ctx, h, in, out) })
}

func (n *node) Open(ctx context.Context, flags uint32) (h fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.faults.do(Open, func() syscall.Errno {
		h, fuseFlags, errno = n.LoopbackNode.Open(ctx, flags)
		return errno
	})
	h, errno = n.handle(ctx, h, errno)
	return h, fuseFlags, errno
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (child *fs.Inode, h fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.faults.do(Create, func() syscall.Errno {
		child, h, fuseFlags, errno = n.LoopbackNode.Create(ctx, name, flags, mode, out)
		return errno
	})
	h, errno = n.handle(ctx, h, errno)
	return child, h, fuseFlags, errno
}

// handle returns what the kernel gets for a file that has been opened.
func (n *node) handle(ctx context.Context, h fs.FileHandle, errno syscall.Errno) (fs.FileHandle, syscall.Errno) {
	if h == nil {
		return nil, errno
	}
	if errno != 0 {
		h.(loopback).Release(ctx)
		return nil, errno
	}
	return &handle{h.(loopback), n.faults}, 0
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.faults.do(Link, func() syscall.Errno {
		child, errno = n.LoopbackNode.Link(ctx, target, name, out)
		return errno
	})
	return child, errno
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.faults.do(Symlink, func() syscall.Errno {
		child, errno = n.LoopbackNode.Symlink(ctx, target, name, out)
		return errno
	})
	return child, errno
}

func (n *node) Readlink(ctx context.Context) (target []byte, errno syscall.Errno) {
	errno = n.faults.do(Readlink, func() syscall.Errno {
		target, errno = n.LoopbackNode.Readlink(ctx)
		return errno
	})
	if n.faults.lies(Readlink) {
		target = bytes.Repeat([]byte("x"), longestTarget)
	}
	return target, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (child *fs.Inode, errno syscall.Errno) {
	errno = n.faults.do(Mkdir, func() syscall.Errno {
		child, errno = n.LoopbackNode.Mkdir(ctx, name, mode, out)
		return errno
	})
	return child, errno
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.faults.do(Rmdir, func() syscall.Errno { return n.LoopbackNode.Rmdir(ctx, name) })
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.faults.do(Unlink, func() syscall.Errno { return n.LoopbackNode.Unlink(ctx, name) })
}

func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	return n.faults.do(Rename, func() syscall.Errno {
		return n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
	})
}

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (h fs.FileHandle, fuseFlags uint32, errno syscall.Errno) {
	errno = n.faults.do(List, func() syscall.Errno {
		h, fuseFlags, errno = n.LoopbackNode.OpendirHandle(ctx, flags)
		return errno
	})
	if errno != 0 && h != nil {
		h.(fs.FileReleasedirer).Releasedir(ctx, 0)
		h = nil
	}
	if errno == 0 && n.faults.lies(List) {
		h.(fs.FileReleasedirer).Releasedir(ctx, 0)
		h = &endless{}
	}
	return h, fuseFlags, errno
}

// loopback is what an open file that shows another one can do, but for having
// the kernel read and write the other one by itself.
type loopback interface {
	fs.FileReader
	fs.FileWriter
	fs.FileFlusher
	fs.FileFsyncer
	fs.FileReleaser
	fs.FileGetattrer
	fs.FileSetattrer
	fs.FileGetlker
	fs.FileSetlker
}

// A handle is an open file.
type handle struct {
	loopback
	faults *injector
}

func (h *handle) Read(ctx context.Context, b []byte, off int64) (r fuse.ReadResult, errno syscall.Errno) {
	errno = h.faults.do(Read, func() syscall.Errno {
		r, errno = h.loopback.Read(ctx, b, off)
		return errno
	})
	if h.faults.lies(Read) {
		return fuse.ReadResultData(bytes.Repeat([]byte("1"), len(b))), 0
	}
	return r, errno
}

func (h *handle) Write(ctx context.Context, b []byte, off int64) (n uint32, errno syscall.Errno) {
	errno = h.faults.do(Write, func() syscall.Errno {
		n, errno = h.loopback.Write(ctx, b, off)
		return errno
	})
	return n, errno
}

func (h *handle) Flush(ctx context.Context) syscall.Errno {
	return h.faults.do(Flush, func() syscall.Errno { return h.loopback.Flush(ctx) })
}

func (h *handle) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	return h.faults.do(Fsync, func() syscall.Errno { return h.loopback.Fsync(ctx, flags) })
}

func (h *handle) Setlk(ctx context.Context, owner uint64, l *fuse.FileLock, flags uint32) syscall.Errno {
	op := Lock
	if l.Typ == syscall.F_UNLCK {
		op = Unlock
	}
	return h.faults.do(op, func() syscall.Errno { return h.loopback.Setlk(ctx, owner, l, flags) })
}

// Setlkw asks again and again: nobody could interrupt a call that waits.
func (h *handle) Setlkw(ctx context.Context, owner uint64, l *fuse.FileLock, flags uint32) syscall.Errno {
	for {
		errno := h.Setlk(ctx, owner, l, flags)
		if errno != syscall.EAGAIN {
			return errno
		}
		if pause(ctx) != nil {
			return syscall.EINTR
		}
	}
}
