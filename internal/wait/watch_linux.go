package wait

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
)

// A Watch is on one file, for what happens to it. One goroutine uses it at a
// time.
type Watch struct {
	hub    *hub
	path   string
	wd     int32
	mask   uint32
	seen   atomic.Uint32 // the events that nobody has asked for yet
	signal chan struct{} // tells whoever does not read that there are some
	holder *holder       // nil unless its end is an event too
}

// What can be watched for.
const (
	replaced = unix.IN_MOVE_SELF | unix.IN_DELETE_SELF
	// Vanishing is what happens to a marker when its lock is given back, or when
	// a holder dies who has it open. To read it is no event.
	Vanishing = replaced | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE
	// Unlocking is what happens to a file when its lock is given back: it is
	// closed, or touched, removed or replaced.
	Unlocking = Vanishing | unix.IN_CLOSE_NOWRITE
	// Arriving is what others do to a lock that they want.
	Arriving = replaced | unix.IN_ATTRIB | unix.IN_OPEN | unix.IN_ACCESS
)

// A hub is an inotify instance, of which a user has no more than 128. A process
// has two at the most. They exist as long as there are watches, and a little
// longer.
type hub struct {
	poll bool // somebody waits for events; one of those who do reads for all

	mu      sync.Mutex // guards the next six; no file is looked for under it
	cleaner Cleaner
	fd      int                // while there are watches
	file    *os.File           // with fd, nil unless somebody waits
	watches map[int32][]*Watch // those on each file, also on one that is gone
	adding  int                // watches that are being added
	ended   int                // how many have ended that may be one of these

	reading chan struct{} // holds an element: the right to read, into buffer
	buffer  []byte
}

var (
	leaving = newHub(true)
	// What others do to a lock that this process has must not wake anybody
	// here, so it is a matter of another instance.
	arriving = newHub(false)
)

func newHub(poll bool) *hub {
	h := &hub{poll: poll, fd: -1, watches: map[int32][]*Watch{}, reading: make(chan struct{}, 1)}
	h.reading <- struct{}{}
	return h
}

// NewWatch begins to watch the file at path. It fails where no events are to be
// had.
func NewWatch(path string, mask uint32) (*Watch, error) {
	h := leaving
	if mask == Arriving {
		h = arriving
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.open(); err != nil {
		return nil, err
	}
	w := &Watch{hub: h, path: path, mask: mask, signal: make(chan struct{}, 1)}
	var err error
	if w.wd, err = h.addLast(path, mask); err != nil {
		h.cleanUp()
		return nil, err
	}
	h.watches[w.wd] = append(h.watches[w.wd], w)
	return w, nil
}

// addLast is add without the mutex, which it is called under: a file server may take
// for ever to find the file, and others wait for theirs. It adds until no watch has
// ended meanwhile, as that may be the one.
func (h *hub) addLast(path string, mask uint32) (wd int32, err error) {
	h.adding++
	defer func() { h.adding-- }()
	for {
		fd, ended := h.fd, h.ended
		h.mu.Unlock()
		wd, err = add(fd, path, mask)
		h.mu.Lock()
		if err != nil || ended == h.ended {
			return wd, err
		}
	}
}

func (h *hub) open() error {
	if h.fd >= 0 {
		return nil
	}
	if err := fault.Before(fault.Notify, ""); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("inotify_init1", err)
	}
	h.fd = fd
	if h.buffer == nil {
		h.buffer = make([]byte, 4096)
	}
	if h.poll {
		h.file = os.NewFile(uintptr(fd), "inotify")
	}
	return nil
}

func (h *hub) close() {
	if h.file != nil {
		h.file.Close()
	} else if h.fd >= 0 {
		unix.Close(h.fd)
	}
	h.fd, h.file = -1, nil
}

// linger is for how long what nobody needs any more stays in place. To take it
// away can cost more than all the rest of a wait, and to close the instance
// takes the system some milliseconds.
const linger = 100 * time.Millisecond

// cleanUp takes away in a moment what nobody needs then.
func (h *hub) cleanUp() {
	h.cleaner.After(linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.cleaner.Done()
		for wd, watches := range h.watches {
			if len(watches) == 0 {
				delete(h.watches, wd)
				h.ended++
				unix.InotifyRmWatch(h.fd, uint32(wd)) // fails if the file is gone
			}
		}
		if len(h.watches) == 0 && h.adding == 0 {
			h.close()
		}
	})
}

// add has the instance watch what is at path itself. It knows one mask for each
// file, so this one is added: to replace it would, for an instant, leave others
// who watch the file without their events.
func add(fd int, path string, mask uint32) (wd int32, err error) {
	if err := fault.Before(fault.Watch, path); err != nil {
		return 0, err
	}
	n, err := unix.InotifyAddWatch(fd, path, mask|unix.IN_DONT_FOLLOW|unix.IN_MASK_ADD)
	err = fault.After(fault.Watch, path, err)
	return int32(n), os.NewSyscallError("inotify_add_watch", err)
}

// Close ends the watch.
func (w *Watch) Close() {
	w.holder.close()
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watches[w.wd] = slices.DeleteFunc(h.watches[w.wd], func(other *Watch) bool { return other == w })
	h.cleanUp()
}

// Await returns when something has happened since the last call, or the limit is
// over, or ctx ends; in that case with its error. It reports what has happened.
func (w *Watch) Await(ctx context.Context, limit time.Duration) (Event, error) {
	h, end := w.hub, time.Now().Add(limit)
	var timer *time.Timer
	for {
		if e := w.take(); e != 0 {
			return e, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		left := time.Until(end)
		if left <= 0 {
			return 0, nil
		}
		select {
		case <-h.reading:
			w.lead(ctx, end)
			h.reading <- struct{}{}
			continue
		default:
		}
		if timer == nil {
			timer = time.NewTimer(left)
			defer timer.Stop()
		}
		select {
		case <-h.reading:
			w.lead(ctx, end)
			h.reading <- struct{}{}
		case <-w.signal:
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// lead reads events, for all, until there is one for w, or ctx or the time ends.
func (w *Watch) lead(ctx context.Context, end time.Time) {
	h := w.hub
	h.mu.Lock()
	file := h.file // stays open as long as w does
	h.mu.Unlock()
	defer context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })()
	for w.seen.Load() == 0 && ctx.Err() == nil && time.Now().Before(end) {
		file.SetReadDeadline(end)
		if ctx.Err() != nil || w.seen.Load() != 0 { // in between: the deadline has just been undone
			return
		}
		n, err := file.Read(h.buffer)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		h.dispatch(h.buffer[:max(n, 0)])
	}
}

// Look is Await without waiting.
func (w *Watch) Look() Event {
	h := w.hub
	select {
	case <-h.reading:
		// The instance stays open as long as w does.
		if n, err := unix.Read(h.fd, h.buffer); err == nil {
			h.dispatch(h.buffer[:n])
		}
		h.reading <- struct{}{}
	default: // somebody else reads
	}
	return w.take()
}

func (w *Watch) take() Event {
	seen := w.seen.Swap(0)
	switch {
	case seen == 0:
		return 0
	case seen&(replaced|unix.IN_IGNORED|unix.IN_Q_OVERFLOW) != 0:
		return Replaced
	case seen&w.mask&^unix.IN_ATTRIB == 0:
		return Touched
	}
	return Happened
}

// dispatch tells the watches of events, inotify(7).
func (h *hub) dispatch(events []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(events) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(events))
		mask := binary.NativeEndian.Uint32(events[4:])
		name := int64(binary.NativeEndian.Uint32(events[12:]))
		events = events[unix.SizeofInotifyEvent:]
		events = events[min(name, int64(len(events))):]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0: // anything may have happened
			for _, watches := range h.watches {
				tell(watches, mask)
			}
		case name > 0: // something in a directory
		default:
			if mask&unix.IN_IGNORED != 0 {
				h.ended++
			}
			tell(h.watches[wd], mask)
		}
	}
}

func tell(watches []*Watch, mask uint32) {
	for _, w := range watches {
		wanted := mask & (w.mask | unix.IN_IGNORED | unix.IN_Q_OVERFLOW)
		if wanted == 0 {
			continue
		}
		w.seen.Or(wanted)
		select {
		case w.signal <- struct{}{}:
		default:
		}
	}
}
