// Package replace gives a file a new content so that whoever looks, at any time
// and after a crash at any time, sees the old one or the new one.
//
// The content is written to a temporary file beside the old one and flushed to
// the disk before that gets the name, since file systems are free to store the
// name first. Libraries that do the same choose a temporary name at random,
// so that what a killed process has left behind stays for ever. Here callers
// exclude each other by a lock: the name is always the same one, and whoever
// comes next takes the leftover away.
package replace

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/sys"
)

// File has the file at path consist of content. The path leads through no
// symbolic link in its last part. The temporary file is at temporary, in the
// same directory, which nobody else writes meanwhile: a file that is there is a
// leftover, and is removed.
//
// The new file has the permissions of the old one that was is of, and its owner
// and group if this user may give it these. Access control lists and the like are
// not kept, nor other hard links of the old file. Where it cannot have the group,
// or there was a list, the group may do what all others may. If was is nil there
// is no old file, and the permissions are perm less the umask.
//
// If File fails, the content is the old one, or the new one which a power
// failure might undo, and there is no temporary file unless it could not be
// removed.
func File(path, temporary string, was fs.FileInfo, perm fs.FileMode, content []byte) error {
	if was != nil {
		perm = 0o600 // until it is known who the group is
	}
	f, err := create(temporary, perm)
	if err != nil {
		return err
	}
	err = fill(f, path, was, content)
	err = errors.Join(err, f.Close()) // before it is renamed: Windows wants that
	if err == nil {
		err = sys.Rename(temporary, path)
	}
	if err != nil {
		if errRemove := sys.Remove(temporary); !sys.IsGone(errRemove) {
			err = errors.Join(err, errRemove)
		}
		return err
	}
	dir, _ := address.Split(path)
	if err := sys.SyncDir(dir); err != nil {
		return fmt.Errorf("the content is new, but may not outlast a power failure: %w", err)
	}
	return nil
}

// create makes the temporary file, in the place of what a killed process has
// left there.
func create(path string, perm fs.FileMode) (sys.File, error) {
	if runtime.GOOS == "windows" {
		perm |= 0o200 // a read-only file could not be removed
	}
	f, err := sys.Create(path, perm)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	info, err := sys.Lstat(path)
	if err == nil && !info.Mode.IsRegular() {
		err = fmt.Errorf("%s is in the way: %w", path, sys.Irregular(info.Mode))
	}
	if err == nil {
		err = sys.Remove(path)
	}
	if err != nil && !sys.IsGone(err) {
		return f, err
	}
	return sys.Create(path, perm)
}

func fill(f sys.File, path string, was fs.FileInfo, content []byte) error {
	if _, err := f.WriteAt(content, 0); err != nil {
		return err
	}
	if was != nil {
		if err := resemble(f, path, was); err != nil {
			return err
		}
	}
	return f.Sync()
}

// resemble gives f the owner and the permissions of the file at path, that was is
// of.
func resemble(f sys.File, path string, was fs.FileInfo) error {
	sameGroup, err := f.TakeOwner(was)
	if err != nil {
		return err
	}
	list, err := sys.HasList(path)
	if err != nil {
		return err
	}
	perm := was.Mode().Perm()
	if !sameGroup || list {
		perm = perm&^0o070 | perm&0o007<<3
	}
	return f.Chmod(perm)
}
