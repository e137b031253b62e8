package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alexflint/go-filemutex"
	"github.com/nightlyone/lockfile"
	"golang.org/x/sys/unix"
)

// systemKinds are peers that exist on some systems only, and the system calls
// that everybody makes: the floor.
func systemKinds() []kind {
	return []kind{
		{keptFlock, func(path string) (locker, error) {
			m, err := filemutex.New(path)
			return fileMutex{m}, err
		}},
		{"go-filemutex, new each time", func(path string) (locker, error) { return &newFileMutex{path: path}, nil }},
		{"nightlyone/lockfile", func(path string) (locker, error) {
			l, err := lockfile.New(path)
			return pidFile{l}, err
		}},
		{"flock, LOCK_UN", openFloor},
		{"open, flock, LOCK_UN, close", func(path string) (locker, error) { return &openingFloor{path: path}, nil }},
		{exclusive, func(path string) (locker, error) {
			return &exclusiveFloor{path, fmt.Appendf(nil, "%d\n", os.Getpid())}, nil
		}},
		{"link, unlink", func(path string) (locker, error) {
			l := linkFloor{path: path, claim: path + ".claim"}
			return l, os.WriteFile(l.claim, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o666)
		}},
	}
}

type fileMutex struct{ *filemutex.FileMutex }

func (m fileMutex) acquire(context.Context) error { return m.Lock() }
func (m fileMutex) release() error                { return m.Unlock() }

type newFileMutex struct {
	path  string
	mutex *filemutex.FileMutex
}

func (m *newFileMutex) acquire(context.Context) (err error) {
	if m.mutex, err = filemutex.New(m.path); err != nil {
		return err
	}
	return m.mutex.Lock()
}

func (m *newFileMutex) release() error { return m.mutex.Close() }

type pidFile struct{ lockfile.Lockfile }

func (p pidFile) acquire(context.Context) error { return p.TryLock() }
func (p pidFile) release() error                { return p.Unlock() }

// floor is flock(2) on a file that stays open.
type floor struct{ fd int }

func openFloor(path string) (locker, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o666)
	return floor{fd}, err
}

func (f floor) acquire(context.Context) error { return unix.Flock(f.fd, unix.LOCK_EX|unix.LOCK_NB) }
func (f floor) release() error                { return unix.Flock(f.fd, unix.LOCK_UN) }

// openingFloor opens the file each time.
type openingFloor struct {
	path string
	floor
}

func (f *openingFloor) acquire(ctx context.Context) (err error) {
	if f.fd, err = unix.Open(f.path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o666); err != nil {
		return err
	}
	return f.floor.acquire(ctx)
}

func (f *openingFloor) release() error {
	if err := f.floor.release(); err != nil {
		return err
	}
	return unix.Close(f.fd)
}

// exclusiveFloor makes a marker where there is none.
type exclusiveFloor struct {
	path   string
	record []byte
}

func (f *exclusiveFloor) acquire(context.Context) error {
	fd, err := unix.Open(f.path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, f.record); err != nil {
		return err
	}
	return unix.Close(fd)
}

func (f *exclusiveFloor) release() error { return unix.Unlink(f.path) }

// linkFloor gives a marker that is written already its name.
type linkFloor struct{ path, claim string }

func (f linkFloor) acquire(context.Context) error { return unix.Link(f.claim, f.path) }
func (f linkFloor) release() error                { return unix.Unlink(f.path) }
