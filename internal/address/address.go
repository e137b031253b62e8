// Package address tells which lock a path means.
//
// Two spellings of one path (relative, with ./, through a symbolic link in its
// directory) mean one lock. So the name of a lock is not its path but the
// identity of the directory and the last element, which also exists before the
// file does and costs one stat.
package address

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/gofilelock/filelock/internal/sys"
)

// A Key makes the names of a lock: equal for all spellings of its path,
// different for different kinds. Hard links, and names that differ in case on a
// file system that does not care, have keys of their own.
type Key struct {
	kind, path string
	rooted     bool // it does not depend on the working directory
	latest     atomic.Pointer[known]
}

// known is what was found out last: mostly that is so still.
type known struct {
	dir sys.ID
	key string
}

// KeyOf returns the key of the lock of the given kind at path.
func KeyOf(kind, path string) *Key {
	return &Key{kind: kind, path: path, rooted: filepath.IsAbs(path)}
}

// Get returns the key as it is now. The error is that of a stat of the
// directory.
func (k *Key) Get() (string, error) {
	dir, base := Split(k.path)
	if base == "." || base == ".." {
		// A directory by a name that is not its own.
		dir, base = k.path, ""
	}
	id, err := k.number(dir)
	if err != nil {
		return "", err
	}
	if id == (sys.ID{}) { // a system without file numbers
		abs, err := filepath.Abs(k.path)
		return k.kind + ":" + abs, err
	}
	if latest := k.latest.Load(); latest != nil && latest.dir == id {
		return latest.key, nil
	}
	key := make([]byte, 0, len(k.kind)+len(base)+36)
	key = append(key, k.kind...)
	key = append(key, ':')
	key = strconv.AppendUint(key, id.Dev, 16)
	key = append(key, ':')
	key = strconv.AppendUint(key, id.Ino, 16)
	key = append(key, '/')
	key = append(key, base...)
	k.latest.Store(&known{dir: id, key: string(key)})
	return k.latest.Load().key, nil
}

func (k *Key) number(dir string) (sys.ID, error) {
	if k.rooted {
		return numberOf(dir)
	}
	info, err := sys.Stat(dir)
	return info.ID, err
}

// Split returns the directory of path and its last element. Unlike
// [filepath.Dir] it does not shorten a/../b to b, which is another directory
// if a is a symbolic link.
func Split(path string) (dir, base string) {
	trimmed, root := path, len(filepath.VolumeName(path))+1
	for len(trimmed) > root && os.IsPathSeparator(trimmed[len(trimmed)-1]) {
		trimmed = trimmed[:len(trimmed)-1]
	}
	dir, base = filepath.Split(trimmed)
	if base == "" { // the root
		return trimmed, "."
	}
	if dir == "" {
		dir = "."
	}
	return dir, base
}

// Beside returns the path of another file in the directory of path.
func Beside(path, base string) string {
	dir, _ := Split(path)
	if !os.IsPathSeparator(dir[len(dir)-1]) && dir != filepath.VolumeName(dir) { // C:x is not C:\x
		dir += string(filepath.Separator)
	}
	return dir + base
}

// Abs returns path from the root, so that it keeps its meaning if the working
// directory changes. Like [Split] it does not shorten it.
func Abs(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	if filepath.VolumeName(path) != "" || (path != "" && os.IsPathSeparator(path[0])) {
		return filepath.Abs(path) // Windows: C:x or \x, relative to a drive
	}
	wd, err := sys.Getwd()
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(wd, string(filepath.Separator)) + string(filepath.Separator) + path, nil
}
