package holders

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"

	"github.com/gofilelock/filelock/internal/procid"
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
// of all processes are searched. If nobody is found, but a lock on a file of
// that number belongs to a process that hides its descriptors, List fails with
// [ErrUnknown]. Locks taken in other containers are not shown at all.
//
// The system gives out /proc/locks page by page. If a lock is taken off the list
// meanwhile, another one moves up and is passed over. So what is not there is
// looked for again, in the descriptors of all processes as well, and if some of
// these may not be looked at, some more times.
func List(id sys.ID, kind Kind) (locks []Lock, err error) {
	for n := range scans {
		data, whole, err := readLocks()
		if err != nil {
			return nil, errors.Join(ErrUnknown, err)
		}
		locks, err = listed(data, id, kind)
		if err != nil || len(locks) > 0 || whole {
			return locks, err
		}
		if n == 2 {
			if locks, all := search(id, kind); all || len(locks) > 0 {
				return tidy(locks), nil
			}
		}
	}
	return locks, err
}

// scans is how often what is not in /proc/locks is looked for there.
const scans = 20

// readLocks reads /proc/locks by the page, which is what the system gives out at
// a time. It reports whether that was all.
func readLocks() (text []byte, whole bool, err error) {
	f, err := os.Open("/proc/locks")
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	page := make([]byte, os.Getpagesize())
	for reads := 0; ; reads++ {
		n, err := f.Read(page)
		if err == io.EOF {
			return text, reads <= 1, nil
		}
		if err != nil {
			return nil, false, err
		}
		text = append(text, page[:n]...)
	}
}

// listed finds the locks in what /proc/locks says.
func listed(data []byte, id sys.ID, kind Kind) ([]Lock, error) {
	var found, unseen []Lock // unseen is held by a process that we do not find
	stray, doubt := false, false
	answers := map[int]answer{} // one process may have thousands of locks, and files
	for e := range held(data, "", id.Ino, kind) {
		if _, known := answers[e.pid]; !known {
			answers[e.pid] = confirm(e.pid, id, kind)
		}
		switch a := answers[e.pid]; {
		case a == yes, a == cannotTell && e.id == id:
			found = append(found, Lock{e.pid, e.shared})
		case a == cannotTell:
			doubt = true
		case e.id == id:
			stray, unseen = true, []Lock{{Shared: e.shared}}
		case a == no:
			stray = true
		}
	}
	if stray {
		holders, all := search(id, kind)
		if holders == nil {
			holders = unseen
		}
		found = append(found, holders...)
		doubt = doubt || !all
	}
	if found == nil && doubt {
		return nil, ErrUnknown
	}
	return tidy(found), nil
}

// tidy sorts locks and names each process once.
func tidy(locks []Lock) []Lock {
	if foreign := foreignIDs(); foreign != nil {
		for i := range locks {
			locks[i].PID = foreign(locks[i].PID)
		}
	}
	slices.SortFunc(locks, func(a, b Lock) int { return a.PID - b.PID })
	return slices.CompactFunc(locks, func(a, b Lock) bool { return a.PID == b.PID })
}

// foreignIDs returns what makes ids of /proc those that are known here, if it is
// of another pid namespace: only our own, and 0 of all others. Otherwise it
// returns nil.
func foreignIDs() func(pid int) int {
	if procid.ProcIsOurs() {
		return nil
	}
	self, _ := os.Readlink("/proc/self")
	return func(pid int) int {
		if strconv.Itoa(pid) == self {
			return os.Getpid()
		}
		return 0
	}
}

// held yields the locks of the given kind, on files of that number, from lines
// of text that begin with prefix. Those that are waited for are left out.
func held(text []byte, prefix string, ino uint64, kind Kind) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for line := range bytes.Lines(text) {
			line, ok := bytes.CutPrefix(line, []byte(prefix))
			if !ok {
				continue
			}
			e, ok := parseEntry(line)
			if ok && !e.waiting && e.kind == kind && e.id.Ino == ino && !yield(e) {
				return
			}
		}
	}
}

// entry is a line of /proc/locks.
type entry struct {
	waiting bool
	kind    Kind
	process bool // of a process, and not of an open file
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
	case "POSIX":
		e.kind, e.process = Record, true
	case "OFDLCK":
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
	no        answer = iota
	elsewhere        // a lock on another file of the same number
	cannotTell
	yes
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
	if err != nil {
		return Lock{}, unread(err)
	}
	best := no
	for _, fd := range fds {
		text, err := os.ReadFile(proc + "/fdinfo/" + fd.Name())
		if err != nil {
			best = max(best, unread(err))
			continue
		}
		for e := range held(text, "lock:", id.Ino, kind) {
			a := yes
			if e.id != id {
				a = leadsTo(proc+"/fd/"+fd.Name(), id)
			}
			if a == yes {
				return Lock{pid, e.shared}, yes
			}
			best = max(best, a)
		}
	}
	return Lock{}, best
}

// unread says what it means that a process's descriptors cannot be read.
func unread(err error) answer {
	if errors.Is(err, fs.ErrNotExist) && !hides() {
		return no // it is gone
	}
	return cannotTell // another user's, as a rule
}

// hides reports whether /proc leaves out the processes of other users (hidepid,
// proc(5)): then the first one is not there.
func hides() bool {
	_, err := os.Lstat("/proc/1")
	return err != nil
}

// leadsTo tells whether the descriptor at path is of the file id. It asks no file
// server, which may never answer and may be a stranger's: numbers do not change.
func leadsTo(path string, id sys.ID) answer {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	switch {
	case err != nil:
		return unread(err)
	case id == sys.ID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}:
		return yes
	}
	return elsewhere
}

// search looks for the holders of a lock among all processes that can be seen.
// It reports whether that is all there are.
func search(id sys.ID, kind Kind) (found []Lock, all bool) {
	procs, err := os.ReadDir("/proc")
	all = err == nil && !hides()
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		lock, a := lockOf(pid, id, kind)
		if a == yes {
			found = append(found, lock)
		}
		all = all && a != cannotTell
	}
	return found, all
}
