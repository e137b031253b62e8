package probe

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/procid"
)

// mountOf tells which file system path is on, as /proc/self/mountinfo has it
// (proc(5)). It returns nothing where that is not known.
func mountOf(path string) (system, on, options string) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_MNT_ID, &st); err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return "", "", ""
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", "", ""
	}
	for line := range strings.Lines(string(table)) {
		if system, on, options, ok := parseMount(line, st.Mnt_id); ok {
			return system, on, options
		}
	}
	return "", "", ""
}

// parseMount reads a line like
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMount(line string, id uint64) (system, on, options string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !found || len(left) < 6 || len(right) < 2 || left[0] != strconv.FormatUint(id, 10) {
		return "", "", "", false
	}
	options = left[5]
	if len(right) > 2 {
		options += "," + right[2]
	}
	return procid.Printable(right[0]), procid.Printable(left[4]), procid.Printable(options), true
}
