package holders

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/gofilelock/filelock/internal/sys"
	"golang.org/x/sys/unix"
)

// Blocked returns the processes that wait in the system for a lock of the given
// kind on the file id; 0 is one that cannot be seen from here. Where there are many
// locks that come and go, some of those who wait may be missing, but hardly all.
func Blocked(id sys.ID, kind Kind) (pids []int) {
	for range scans {
		data, whole, _ := readLocks()
		for line := range bytes.Lines(data) {
			e, ok := parseEntry(line)
			if ok && e.waiting && e.kind == kind && e.id.Ino == id.Ino && (e.id == id || opens(e.pid, id)) {
				pids = append(pids, max(e.pid, 0)) // of those who wait for an open file's it is -1
			}
		}
		if whole || len(pids) > 0 {
			break
		}
	}
	return shown(pids)
}

// opens reports whether the process pid is seen to have the file id open.
func opens(pid int, id sys.ID) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	fds, _ := os.ReadDir(dir)
	return slices.ContainsFunc(fds, func(fd os.DirEntry) bool { return leadsTo(dir+fd.Name(), id) == yes })
}

// Watching returns the processes that have the file id watched by inotify(7), as
// those do who wait for events. Others who watch it do not want its lock. Those of
// other users are not seen.
func Watching(id sys.ID) []int {
	var pids []int
	for pid := range processes {
		for fd, to := range descriptors(pid) {
			if to != "anon_inode:inotify" {
				continue
			}
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
			if err == nil && watches(text, id) {
				pids = append(pids, pid)
			}
		}
	}
	return shown(pids)
}

// watches reports whether an inotify instance watches the file id. The text has
// lines like
//
//	inotify wd:1 ino:2000f sdev:fe00000 mask:e0 ignored_mask:0 …
func watches(text []byte, id sys.ID) bool {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 4 || string(fields[0]) != "inotify" {
			continue
		}
		ino, ok1 := hexField(fields[2], "ino:", 64)
		dev, ok2 := hexField(fields[3], "sdev:", 32)
		if ok1 && ok2 && id == (sys.ID{Dev: unix.Mkdev(uint32(dev>>20), uint32(dev&0xfffff)), Ino: ino}) {
			return true
		}
	}
	return false
}

func hexField(field []byte, name string, bits int) (n uint64, ok bool) {
	field, ok = bytes.CutPrefix(field, []byte(name))
	n, err := strconv.ParseUint(string(field), 16, bits)
	return n, ok && err == nil
}

// processes yields the ids of all processes that /proc shows.
func processes(yield func(pid int) bool) {
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		if pid, err := strconv.Atoi(p.Name()); err == nil && !yield(pid) {
			return
		}
	}
}

// descriptors yields the descriptors of a process, and what each is of. Those of
// other users are hidden.
func descriptors(pid int) func(yield func(fd, to string) bool) {
	return func(yield func(fd, to string) bool) {
		dir := fmt.Sprintf("/proc/%d/fd/", pid)
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if to, err := os.Readlink(dir + fd.Name()); err == nil && !yield(fd.Name(), to) {
				return
			}
		}
	}
}

// shown returns the processes in order, each once, by the ids that are known
// here.
func shown(pids []int) []int {
	if foreign := foreignIDs(); foreign != nil {
		for i := range pids {
			pids[i] = foreign(pids[i])
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}
