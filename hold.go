package filelock

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// A tenure is an owner's time with a lock, from its first hold to its last.
type tenure struct {
	queue  *queue
	lock   *core // through which it began
	owner  *Owner
	scoped bool // by a Do: it goes on while the Do's function does
	shared bool
	since  int64 // in nanoseconds since 1970
	loss   *loss // nil where it cannot be lost

	// depth counts the holds. While they are being given back it is negative:
	// as many go on if that fails. It is 0 once the tenure has ended.
	depth atomic.Int64
}

func (t *tenure) goesOn() bool { return t.depth.Load() > 0 }

// enter adds a hold, if the tenure goes on.
func (t *tenure) enter() bool {
	for {
		n := t.depth.Load()
		if n <= 0 {
			return false
		}
		if t.depth.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends a hold, and with the last one the tenure. It reports false where
// that failed and the hold goes on.
func (t *tenure) leave(last resort) (over bool, err error) {
	for {
		n := t.depth.Load()
		switch {
		case n == 0:
			return true, ErrNotHeld
		case n == 1 && t.depth.CompareAndSwap(1, -1):
			return t.queue.giveBack(t, last)
		case n > 1 && t.depth.CompareAndSwap(n, n-1):
			return true, t.loss.err()
		case n < 0 && t.depth.CompareAndSwap(n, n+1):
			return true, ErrNotHeld // leaveAll is at it, and no longer for this hold
		}
	}
}

// leaveAll ends all holds. It fails with [ErrNotHeld] where there are none, or
// somebody else is at it.
func (t *tenure) leaveAll() error {
	for {
		n := t.depth.Load()
		if n <= 0 {
			return ErrNotHeld
		}
		if t.depth.CompareAndSwap(n, -n) {
			_, err := t.queue.giveBack(t, retry)
			return err
		}
	}
}

// resume has the holds go on that could not be given back. It reports false if
// they have been left meanwhile.
func (t *tenure) resume() bool {
	for {
		n := t.depth.Load()
		if n >= 0 {
			return false
		}
		if t.depth.CompareAndSwap(n, -n) {
			return true
		}
	}
}

// A resort says what becomes of a hold whose release fails.
type resort int

const (
	retry   resort = iota // somebody has it, and can try again
	abandon               // nobody has it
)

// A Hold is one acquisition of a lock. It lasts until Release, or until the
// process ends; that nobody refers to it any more changes nothing.
//
// Its methods may be called by several goroutines at once.
type Hold struct {
	tenure *tenure
	ctx    context.Context
	state  atomic.Int32

	mu   sync.Mutex // guards file
	file *os.File
}

// The states of a hold.
const (
	held int32 = iota
	releasing
	ended
)

// Release ends the hold, and with an owner's last hold gives the lock back.
//
// It fails with [ErrNotHeld] if the hold has ended, or is being ended by
// somebody else, and with [ErrLost] if the lock was taken away meanwhile: then,
// too, the hold has ended. After any other error the lock may still be held,
// and Release can be called again until it returns nil or ErrNotHeld.
func (h *Hold) Release() error { return h.end(retry) }

// Abandon is Release for those who will not call it again: whatever it returns,
// the hold has ended. If the lock cannot be given back, that is left to the system,
// which does so when the file is closed, or else it is tried again ahead of this
// process's next acquisition.
func (h *Hold) Abandon() error { return h.end(abandon) }

func (h *Hold) end(last resort) error {
	if !h.state.CompareAndSwap(held, releasing) {
		return h.tenure.lock.fail("release", ErrNotHeld)
	}
	errFile := h.closeFile()
	over, err := h.tenure.leave(last)
	if over {
		h.state.Store(ended)
		endContext(h.ctx)
	} else {
		h.state.Store(held)
	}
	return h.tenure.lock.fail("release", errors.Join(err, errFile))
}

func (h *Hold) closeFile() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	h.file = nil
	if errors.Is(err, syscall.EINTR) { // and closed all the same
		err = nil
	}
	return err
}

// Context returns the context that the lock was acquired with, and which
// carries the owner: acquisitions with it nest. If the hold is lost, it is
// cancelled with a cause that matches [ErrLost]. Once the hold has ended it may
// be cancelled too.
func (h *Hold) Context() context.Context { return h.ctx }

// Lost returns a channel that is closed when the hold is found to be lost, or
// nil if this kind of lock cannot be lost.
func (h *Hold) Lost() <-chan struct{} {
	if h.tenure.loss == nil {
		return nil
	}
	return h.tenure.loss.told
}

// Token returns a number that is higher than that of every earlier hold of the
// lock, for a resource that refuses those who come with a lower one than it
// has seen. It is 0 if this kind of lock has none.
func (h *Hold) Token() uint64 {
	if g, ok := h.tenure.queue.grantOf(h.tenure).(FencedGrant); ok {
		return g.Token()
	}
	return 0
}

// File returns a duplicate of the file that is locked, always the same one,
// which Release closes. It is nil if the hold has ended, if the lock is not on
// an open file, and if the process has no descriptor left.
//
// The duplicate and the lock belong to one open file: a child process that
// inherits it keeps the lock beyond this process's sudden end.
func (h *Hold) File() *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil && h.state.Load() == held {
		if g, ok := h.tenure.queue.grantOf(h.tenure).(FileGrant); ok {
			h.file, _ = g.File()
		}
		if h.file != nil && !h.tenure.goesOn() { // it has just ended, and the grant may be another's
			h.file.Close()
			h.file = nil
		}
	}
	return h.file
}
