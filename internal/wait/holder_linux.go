package wait

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A holder is a process whose end is an event: it may leave a marker behind and
// have had no file open.
type holder struct {
	process *os.File // a pidfd
	done    chan struct{}
}

// endsWith makes the end of the process pid an event of w, where the system can
// tell of it. A number that is another process's by now does no harm.
func (w *Watch) endsWith(pid int) {
	if pid <= 0 || pid == os.Getpid() {
		return
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return // Linux before 5.10, a container's filter, or the process is gone: the next look will tell
	}
	w.holder = &holder{os.NewFile(uintptr(fd), "pidfd"), make(chan struct{})}
	go w.holder.wait(w)
}

// wait tells w when the process has ended. It occupies no thread.
func (h *holder) wait(w *Watch) {
	defer close(h.done)
	conn, err := h.process.SyscallConn()
	if err == nil {
		err = conn.Read(hasEnded)
	}
	if err != nil {
		return // it has been closed
	}
	tell([]*Watch{w}, unix.IN_CLOSE_WRITE)
	w.hub.wake()
}

func hasEnded(pidfd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// wake has whoever reads events look at what has been told.
func (h *hub) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file != nil {
		h.file.SetReadDeadline(time.Unix(1, 0))
	}
}

func (h *holder) close() {
	if h != nil {
		h.process.Close()
		<-h.done
	}
}
