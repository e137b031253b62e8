package main

import (
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

// A sight is what was seen of a lock.
type sight struct {
	kind  kind
	path  string
	state filelock.State
}

// look looks at the lock of the kind at path, or if none is named, at all that
// there may be: the kinds are told by who holds them, and by what is written
// where they are. It returns those that are held, or the one that is free.
//
// The number that a file holds does not make it a PID lock: it also stays behind
// in the files of other locks. Nor is any file a soft lock or lockfile's, unless
// it says so.
func (k kind) look(ctx context.Context, path string) ([]sight, error) {
	if k.name != "" {
		s, err := k.at(ctx, path)
		return []sight{s}, err
	}
	free, err := k.at(ctx, path)
	found := append(heldOf(free), inFile(ctx, path)...)
	found = append(found, besides(ctx, path)...)
	if found != nil {
		return found, nil
	}
	return []sight{free}, err
}

// inFile returns the locks that are held by means of the file at path, but for
// flock(2). An empty file is not read: those who wait for its lock would hear it.
func inFile(ctx context.Context, path string) (found []sight) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	names := []string{"record"}
	if info.Mode().IsRegular() && info.Size() > 0 {
		names = []string{"record", "soft", "lease"}
	}
	for _, name := range names {
		s, _ := kind{name: name}.at(ctx, path)
		found = append(found, heldOf(s)...)
	}
	return found
}

// lockSuffix is what lockfile, and many a program, adds to the name of a file for
// the name of its lock.
const lockSuffix = ".lock"

// besides returns the locks that are held by what stands beside path.
func besides(ctx context.Context, path string) (found []sight) {
	info, err := os.Lstat(path + lockSuffix)
	if err != nil {
		return nil
	}
	name := "link"
	switch {
	case info.IsDir():
		name = "mkdir"
	case info.Mode()&fs.ModeSymlink != 0:
		name = "symlink"
	}
	s, _ := kind{name: name}.at(ctx, path)
	found = heldOf(s)
	if name != "link" {
		return found
	}
	s, _ = kind{}.at(ctx, path+lockSuffix)
	found = append(found, heldOf(s)...)
	return append(found, inFile(ctx, path+lockSuffix)...)
}

// heldOf returns s if it is certainly of a lock that is held.
func heldOf(s sight) []sight {
	if !s.state.Held {
		return nil
	}
	switch s.kind.name {
	case "soft", "lease", "link": // what does not name a process of a host is another file
		if h := s.state.Holders[0]; h.PID == 0 || h.Host == "" {
			return nil
		}
	}
	return []sight{s}
}

// at looks at the lock of the kind at path.
func (k kind) at(ctx context.Context, path string) (sight, error) {
	state, err := k.open(path).Inspect(ctx)
	return sight{k, path, state}, err
}

// file returns the path of the file by which the lock is held.
func (s *sight) file() string {
	switch s.kind.name {
	case "link", "mkdir", "symlink":
		return s.path + lockSuffix
	}
	return s.path
}

// expired reports whether the lock is a lease that has ended.
func (s *sight) expired(now time.Time) bool {
	return s.state.Held && !s.state.Expires.IsZero() && !now.Before(s.state.Expires)
}

// available reports whether whoever comes next gets the lock: it is free, or its
// holder is dead or too late and the kind is one of which that is cleared away.
func (s *sight) available(now time.Time) bool {
	switch {
	case !s.state.Held:
		return true
	case s.kind.name == "soft":
		return s.state.Stale
	case s.kind.name == "lease" && s.state.Holders[0].PID != 0:
		return now.After(s.state.Expires.Add(lease.DefaultSlop))
	}
	return false
}
