package main

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

// A kind is which of the locks is meant that a path can have.
type kind struct {
	name    string
	lease   time.Duration
	content *string // to be written to the file; nil: nothing
}

// locker is what the verbs need of a lock.
type locker interface {
	filelock.Locker
	Inspect(context.Context) (filelock.State, error)
	Break(context.Context, filelock.State) error
}

// options returns the options that set k. One of them counts, the last.
func (k *kind) options() []getopt.Option {
	named := func(name, help string) getopt.Option {
		return getopt.Option{Long: []string{name}, Set: getopt.To(&k.name, name), Help: help}
	}
	return []getopt.Option{
		named("soft", "the lock that is held as long as FILE exists, as\npy-filelock's SoftFileLock, for file systems without locks"),
		{Long: []string{"lease"}, Arg: "TIME", Set: k.setLease, Help: "a lease of that time (30s), as flufl.lock's: for several\nmachines; it is renewed, and broken when it is over"},
		named("record", "the record lock of FILE, as of dpkg and lockf(3)"),
		named("link", "lockfile's LinkLockFile: held as long as FILE.lock exists"),
		named("mkdir", "its MkdirLockFile"),
		named("symlink", "its SymlinkLockFile"),
		named("pid", "its PIDLockFile: FILE exists, with a process id in it"),
	}
}

func (k *kind) setLease(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("'%s' is not a time, as 30s or 5m", text)
	}
	k.name, k.lease = "lease", d
	return nil
}

func (k *kind) setContent(template string) error {
	k.content = &template
	return nil
}

// check reports options that make no sense together.
func (k *kind) check() error {
	switch k.name {
	case "", "record":
		return nil
	}
	if k.content != nil {
		return fmt.Errorf("%w: --content is of no use: the %s lock has a content of its own", fs.ErrInvalid, k.name)
	}
	return nil
}

// String names the kind, by its option if it has one.
func (k kind) String() string {
	if k.name == "" {
		return "flock"
	}
	return k.name
}

// open returns the lock of the kind.
func (k *kind) open(path string, opts ...filelock.Option) locker {
	files := fileOptions(opts)
	if k.content != nil {
		files = append(files, filelock.WithContent(*k.content))
	}
	switch k.name {
	case "soft":
		return filelock.NewSoft(path, files...)
	case "record":
		return filelock.New(path, append(files, filelock.WithRecordLocks())...)
	case "lease":
		return lease.New(path, lease.Config{Lifetime: k.lease}, opts...)
	case "link":
		return marker.NewLink(path, marker.Config{}, opts...)
	case "mkdir":
		return marker.NewMkdir(path, marker.Config{}, opts...)
	case "symlink":
		return marker.NewSymlink(path, marker.Config{}, opts...)
	case "pid":
		return marker.NewPID(path, marker.Config{}, opts...)
	}
	return filelock.New(path, files...)
}

func fileOptions(opts []filelock.Option) (all []filelock.FileOption) {
	for _, o := range opts {
		all = append(all, o)
	}
	return all
}
