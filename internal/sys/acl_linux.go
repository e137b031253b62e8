package sys

import (
	"errors"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// HasList reports whether the file at path has an access control list, acl(5).
// Where it does, the group's permissions in the file's mode are the most that the
// list gives anybody but the owner and all others, and not what the group has.
func HasList(path string) (has bool, err error) {
	err = call(fault.Xattr, path, func() error {
		size, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
		has = size > 0
		return err
	})
	if errors.Is(err, unix.ENODATA) || errors.Is(err, errors.ErrUnsupported) || IsGone(err) {
		err = nil
	}
	return has, err
}
