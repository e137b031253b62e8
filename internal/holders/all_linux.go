package holders

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gofilelock/filelock/internal/sys"
)

// All returns the locks on all files of this machine, as /proc/locks lists them,
// and paths as far as the descriptors of processes show them: those of other
// users are seen by root only. If the process that took a lock has left it to
// others, these hold it.
func All() ([]Entry, error) {
	data, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, errors.Join(ErrUnknown, err)
	}
	open := openFiles()
	var all []Entry
	listed := map[Entry]bool{}
	for line := range bytes.Lines(data) {
		e, ok := parseEntry(line)
		if !ok {
			continue
		}
		entry := Entry{Lock: Lock{max(e.pid, 0), e.shared}, Kind: e.kind, Process: e.process, Waiting: e.waiting, Path: open.paths[e.id]}
		holders := open.holders[e]
		if len(holders) == 0 || slices.Contains(holders, e.pid) {
			holders = []int{entry.PID}
		}
		for _, pid := range shown(slices.Clone(holders)) {
			entry.PID = pid
			if !listed[entry] { // or it is another range of the file
				listed[entry] = true
				all = append(all, entry)
			}
		}
	}
	return all, nil
}

// locked is what the descriptors of all processes tell of locks.
type locked struct {
	holders map[entry][]int // who has an open file that has the lock
	paths   map[sys.ID]string
}

func openFiles() locked {
	l := locked{map[entry][]int{}, map[sys.ID]string{}}
	for pid := range processes {
		for fd, to := range descriptors(pid) {
			if !strings.HasPrefix(to, "/") { // a pipe, a socket
				continue
			}
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
			for line := range bytes.Lines(text) {
				line, ok := bytes.CutPrefix(line, []byte("lock:"))
				if !ok {
					continue
				}
				if e, ok := parseEntry(line); ok {
					l.holders[e] = append(l.holders[e], pid)
					l.paths[e.id] = to
				}
			}
		}
	}
	return l
}
