package holders

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"github.com/gofilelock/filelock/internal/sys"
	"golang.org/x/sys/unix"
)

// List returns the locks of the given kind that are held on the file id, as
// /proc/locks and /proc/PID/fdinfo show them (proc(5)).
//
// /proc/locks names the process that took the lock. It may be long dead and
// the lock live on in a child that has inherited the descriptor, and the file
// system may be shown by another number than stat has it (btrfs does that). So
// what it says is confirmed by the descriptors of that process, or else those
// of all processes are searched. Locks taken in other containers are not shown
// at all.
func List(id sys.ID, kind Kind) ([]Lock, error) {
	data, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, errors.Join(ErrUnknown, err)
	}
	var found, orphans []Lock // orphans are held by nobody we have confirmed
	sameNumber := false
	for line := range bytes.Lines(data) {
		e, ok := parseEntry(line)
		if !ok || e.waiting || e.kind != kind || e.id.Ino != id.Ino {
			continue
		}
		switch confirm(e.pid, id, kind) {
		case yes:
			found = append(found, Lock{e.pid, e.shared})
		case cannotTell:
			if e.id == id {
				found = append(found, Lock{e.pid, e.shared})
			}
		case no:
			orphans = append(orphans, Lock{Shared: e.shared})
			sameNumber = sameNumber || e.id == id
		}
	}
	if orphans != nil {
		holders := search(id, kind)
		if holders == nil && sameNumber {
			holders = orphans[:1] // of a process that cannot be seen
		}
		found = append(found, holders...)
	}
	slices.SortFunc(found, func(a, b Lock) int { return a.PID - b.PID })
	return slices.CompactFunc(found, func(a, b Lock) bool { return a.PID == b.PID }), nil
}

// entry is a line of /proc/locks.
type entry struct {
	waiting bool
	kind    Kind
	shared  bool
	pid     int // that took it; -1 where it belongs to an open file
	id      sys.ID
}

// parseEntry reads a line like
//
//	1: FLOCK  ADVISORY  WRITE 1234 fe:00:131090 0 EOF
//	1: -> FLOCK  ADVISORY  WRITE 1235 fe:00:131090 0 EOF
func parseEntry(line []byte) (e entry, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) > 1 && string(fields[1]) == "->" {
		e.waiting = true
		fields = slices.Delete(fields, 1, 2)
	}
	if len(fields) < 6 {
		return e, false
	}
	switch string(fields[1]) {
	case "FLOCK":
		e.kind = Flock
	case "POSIX", "OFDLCK":
		e.kind = Record
	default:
		return e, false // LEASE, DELEG
	}
	switch string(fields[3]) {
	case "READ":
		e.shared = true
	case "WRITE":
	default:
		return e, false
	}
	var err error
	if e.pid, err = strconv.Atoi(string(fields[4])); err != nil {
		return e, false
	}
	where := bytes.Split(fields[5], []byte(":"))
	if len(where) != 3 {
		return e, false
	}
	major, err1 := strconv.ParseUint(string(where[0]), 16, 32)
	minor, err2 := strconv.ParseUint(string(where[1]), 16, 32)
	ino, err3 := strconv.ParseUint(string(where[2]), 10, 64)
	e.id = sys.ID{Dev: unix.Mkdev(uint32(major), uint32(minor)), Ino: ino}
	return e, errors.Join(err1, err2, err3) == nil
}

type answer int

const (
	no answer = iota
	yes
	cannotTell
)

// confirm looks among the descriptors of pid for one that holds a lock of the
// given kind on the file id.
func confirm(pid int, id sys.ID, kind Kind) answer {
	if pid <= 0 {
		return no // a lock that belongs to an open file
	}
	_, a := lockOf(pid, id, kind)
	return a
}

// lockOf returns the lock of the given kind that a descriptor of pid holds on
// the file id.
func lockOf(pid int, id sys.ID, kind Kind) (Lock, answer) {
	proc := "/proc/" + strconv.Itoa(pid)
	fds, err := os.ReadDir(proc + "/fdinfo")
	if errors.Is(err, fs.ErrPermission) {
		return Lock{}, cannotTell // another user's process, alive
	}
	for _, fd := range fds { // none where the process is gone
		text, err := os.ReadFile(proc + "/fdinfo/" + fd.Name())
		if errors.Is(err, fs.ErrPermission) {
			return Lock{}, cannotTell
		}
		for line := range bytes.Lines(text) {
			line, ok := bytes.CutPrefix(line, []byte("lock:"))
			if !ok {
				continue
			}
			e, ok := parseEntry(line)
			if !ok || e.waiting || e.kind != kind || e.id.Ino != id.Ino {
				continue
			}
			// The stat is the last resort, since it may wait for a file server.
			if e.id == id || leadsTo(proc+"/fd/"+fd.Name(), id) {
				return Lock{pid, e.shared}, yes
			}
		}
	}
	return Lock{}, no
}

func leadsTo(path string, id sys.ID) bool {
	info, err := sys.Stat(path)
	return err == nil && info.ID == id
}

// search looks for the holders of a lock among all processes that can be seen.
func search(id sys.ID, kind Kind) []Lock {
	var found []Lock
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if lock, a := lockOf(pid, id, kind); a == yes {
			found = append(found, lock)
		}
	}
	return found
}
