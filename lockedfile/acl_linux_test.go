package lockedfile_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/lockedfile"
)

// withList gives the file an access control list, acl(5), by which a user may read
// and write it and its group may not.
func withList(t *testing.T, path string) {
	t.Helper()
	const none = ^uint32(0)
	list := binary.LittleEndian.AppendUint32(nil, 2) // the version
	for _, entry := range []struct {
		tag, perm uint16
		id        uint32
	}{
		{0x01, 6, none},  // the owner
		{0x02, 6, 65534}, // a user
		{0x04, 0, none},  // the group
		{0x10, 6, none},  // the mask
		{0x20, 0, none},  // others
	} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.perm)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	if err := unix.Setxattr(path, "system.posix_acl_access", list, 0); err != nil {
		t.Skip("no access control lists here:", err)
	}
}

// TestListThatIsNotKeptGivesTheGroupNothing: where there is a list, the mode tells
// what the list permits at most in the place of what the group may do.
func TestListThatIsNotKeptGivesTheGroupNothing(t *testing.T) {
	path := dataPath(t)
	write(t, path, "old")
	withList(t, path)
	if mode := modeOf(t, path); mode != 0o660 {
		t.Fatalf("the mode with a list is %v", mode)
	}
	must(t, lockedfile.Write(bg, path, strings.NewReader("new"), 0o666))
	if mode := modeOf(t, path); mode&0o070 != 0 {
		t.Errorf("the group, which might do nothing, may do %v", mode)
	}
}
