package sys

import "golang.org/x/sys/windows"

const directory = 0

const notSymlink = windows.ERROR_NOT_A_REPARSE_POINT

func rmdir(path string) error {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	return windows.RemoveDirectory(name)
}

// symlink fails: most users may make none.
func symlink(target, path string) error { return windows.ERROR_NOT_SUPPORTED }

func immutable(string) bool { return false }
