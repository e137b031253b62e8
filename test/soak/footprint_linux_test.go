package soak

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A footprint is what a process takes up while it has no lock, and what it has
// done.
type footprint struct {
	Descriptors, Goroutines, Watches, Threads int

	Heap, Objects uint64
	Tries, Holds  uint64 // so far
	Lost, Refused uint64 // of leases: holds, and counts by a fence
}

func (f footprint) String() string {
	b, _ := json.Marshal(f)
	return string(b)
}

// measure looks at this process.
func measure() (f footprint, err error) {
	runtime.GC()
	runtime.GC() // empties the pools
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return f, err
	}
	f.Descriptors = len(fds)
	for _, fd := range fds {
		info, _ := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
		f.Watches += bytes.Count(info, []byte("inotify wd:"))
	}
	f.Goroutines = runtime.NumGoroutine()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return f, err
	}
	_, after, _ := strings.Cut(string(status), "Threads:")
	if _, err := fmt.Sscan(after, &f.Threads); err != nil {
		return f, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.Heap, f.Objects = m.HeapAlloc, m.HeapObjects
	return f, nil
}

// settled measures a process that has given back all its locks: as soon as it
// has no more descriptors, goroutines and watches than at its start.
func settled(start footprint) (f footprint, err error) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		f, err = measure()
		if err != nil || f.Descriptors == start.Descriptors && f.Goroutines == start.Goroutines && f.Watches == 0 {
			return f, err
		}
	}
	text := fmt.Sprintf("it has %v, and had %v at the start", f, start)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		text += "\n" + fd.Name() + " " + to
	}
	stacks := make([]byte, 1<<20)
	return f, errors.New(text + "\n" + string(stacks[:runtime.Stack(stacks, true)]))
}

// What may be more at the end than at first, when all has been used once.
const (
	moreHeap    = 128 << 10
	moreObjects = 500
	moreThreads = 8
)

// checkFlat makes sure that the last third of what a process has taken up is no
// more than the first: it says that of the least and of the most.
func checkFlat(t *testing.T, name string, all []footprint) {
	t.Helper()
	if len(all) < 3 {
		t.Errorf("%s was measured %d times", name, len(all))
		return
	}
	early, late := all[:(len(all)+2)/3], all[2*len(all)/3:]
	least := func(of []footprint, what func(footprint) uint64) uint64 {
		n := what(of[0])
		for _, f := range of {
			n = min(n, what(f))
		}
		return n
	}
	for what, c := range map[string]struct {
		of   func(footprint) uint64
		more uint64
	}{
		"bytes":   {func(f footprint) uint64 { return f.Heap }, moreHeap},
		"objects": {func(f footprint) uint64 { return f.Objects }, moreObjects},
	} {
		if before, after := least(early, c.of), least(late, c.of); after > before+c.more {
			t.Errorf("%s: there were %d %s, and are %d", name, before, what, after)
		}
	}
	most := 0
	for _, f := range all {
		most = max(most, f.Threads)
	}
	if most > 4*goroutines+moreThreads { // the runtime never ends a thread
		t.Errorf("%s: it has had %d threads", name, most)
	}
	t.Logf("%s: first %v", name, all[0])
	t.Logf("%s: last %v", name, all[len(all)-1])
}
