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

	"github.com/gofilelock/filelock/internal/sys"
)

// Key returns the name of the lock of the given kind at path: equal for all
// spellings, different for different kinds. Hard links, and names that differ
// in case on a file system that does not care, have keys of their own.
//
// The error is that of a stat of the directory.
func Key(kind, path string) (string, error) {
	dir, base := Split(path)
	if base == "." || base == ".." {
		// A directory by a name that is not its own.
		dir, base = path, ""
	}
	info, err := sys.Stat(dir)
	if err != nil {
		return "", err
	}
	if info.ID == (sys.ID{}) { // a system without file numbers
		abs, err := filepath.Abs(path)
		return kind + ":" + abs, err
	}
	key := make([]byte, 0, len(kind)+len(base)+36)
	key = append(key, kind...)
	key = append(key, ':')
	key = strconv.AppendUint(key, info.ID.Dev, 16)
	key = append(key, ':')
	key = strconv.AppendUint(key, info.ID.Ino, 16)
	key = append(key, '/')
	key = append(key, base...)
	return string(key), nil
}

// Split returns the directory of path and its last element. Unlike
// [filepath.Dir] it does not shorten a/../b to b, which is another directory
// if a is a symbolic link.
func Split(path string) (dir, base string) {
	trimmed := path
	for len(trimmed) > 1 && os.IsPathSeparator(trimmed[len(trimmed)-1]) {
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
	if !os.IsPathSeparator(dir[len(dir)-1]) {
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
