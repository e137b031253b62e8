package sys

import (
	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/unix"
)

// IsRemote reports whether other machines may work with what is at path, or a
// program, by ways that this system does not hear of.
func IsRemote(path string) bool {
	var st unix.Statfs_t
	err := call(fault.Statfs, path, func() error { return unix.Statfs(path, &st) })
	return err != nil || isRemote(&st)
}

// IsRemote is as the function of that name.
func (f File) IsRemote() bool {
	var st unix.Statfs_t
	err := call(fault.Statfs, "", func() error { return unix.Fstatfs(f.fd, &st) })
	return err != nil || isRemote(&st)
}

func isRemote(st *unix.Statfs_t) bool {
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC,
		unix.CODA_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC, gfs2, lustre, gpfs, vboxsf, vmhgfs:
		return true
	}
	return false
}

// What package unix has no names for.
const (
	gfs2   = 0x01161970
	lustre = 0x0bd00bd0
	gpfs   = 0x47504653
	vboxsf = 0x786f4256
	vmhgfs = 0xbacbacbc
)
