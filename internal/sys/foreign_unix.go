//go:build unix

package sys

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Foreign reports whether a stranger may have laid what info is of at path, for
// others to stumble over: in a directory where everybody may make files and
// nobody may remove another's, as /tmp is, it belongs neither to this user nor to
// the directory's owner. It is the rule of fs.protected_symlinks and its like
// (proc_sys_fs(5)), which are not switched on everywhere.
func Foreign(path string, info fs.FileInfo) bool {
	dir, ok := commons(path)
	st, known := info.Sys().(*syscall.Stat_t)
	return ok && known && int(st.Uid) != os.Geteuid() && st.Uid != dir.Uid
}

// Shared reports whether a stranger may have linked the file that info is of to
// path, in such a directory: it has other names.
func Shared(path string, info fs.FileInfo) bool {
	_, ok := commons(path)
	st, known := info.Sys().(*syscall.Stat_t)
	return ok && known && st.Nlink > 1
}

// commons describes the directory of path if it is one that everybody uses.
func commons(path string) (st *syscall.Stat_t, ok bool) {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil || info.Mode()&fs.ModeSticky == 0 || info.Mode()&0o002 == 0 {
		return nil, false
	}
	st, ok = info.Sys().(*syscall.Stat_t)
	return st, ok
}
