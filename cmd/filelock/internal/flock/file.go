//go:build unix && !aix

package flock

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// A file is what is locked.
type file struct {
	path      string // empty: the caller has it open
	fd        int
	flags     int  // that it was opened with
	inherited bool // by the command
}

func (f *file) String() string {
	if f.path == "" {
		return strconv.Itoa(f.fd)
	}
	return f.path
}

// open opens or creates the file as flock(1) does: through symbolic links, and
// whatever it is. flags say for what.
func (f *file) open(flags int) (err error) {
	f.flags = flags
	f.fd, err = f.openWith(unix.O_CREAT)
	switch {
	case errors.Is(err, unix.EISDIR):
		f.flags = unix.O_RDONLY
		f.fd, err = f.openWith(0)
	case errors.Is(err, unix.EACCES): // also for O_CREAT on another user's file in a sticky directory
		if fd, errAgain := f.openWith(0); errAgain == nil {
			f.fd, err = fd, nil
		}
	}
	if err == nil {
		return nil
	}
	status := exitNoInput
	switch {
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		status = exitSystem
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.ENOSPC):
		status = exitCantCreate
	}
	return fail(status, "cannot open lock file %s: %s", f.path, describe(err))
}

func (f *file) openWith(create int) (fd int, err error) {
	flags := f.flags | create | unix.O_NOCTTY
	if !f.inherited {
		flags |= unix.O_CLOEXEC
	}
	err = uninterrupted(func() error {
		fd, err = unix.Open(f.path, flags, 0o666)
		return err
	})
	return fd, err
}

func (f *file) writable() bool { return f.flags&unix.O_ACCMODE == unix.O_RDWR }

// mayWrite reports whether it may help to open the file for writing.
func (f *file) mayWrite() bool {
	return f.path != "" && !f.writable() && unix.Access(f.path, unix.R_OK|unix.W_OK) == nil
}

// reopen opens the file for writing too.
func (f *file) reopen() error {
	unix.Close(f.fd)
	return f.open(unix.O_RDWR)
}

// uninterrupted repeats a system call while a signal interrupts it.
func uninterrupted(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}
