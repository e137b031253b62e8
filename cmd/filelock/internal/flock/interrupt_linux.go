package flock

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acquireUntil waits in the kernel, and has a signal end that when the deadline
// comes. So the system call itself tells whether the lock was granted before. It
// is called on a goroutine that is wired to its thread.
func (s *settings) acquireUntil(fd int, deadline time.Time) error {
	if interruptible(unix.SIGALRM) != nil {
		return s.pollUntil(fd, deadline)
	}
	var over atomic.Bool
	defer interrupt(unix.Gettid(), deadline, &over)()
	for {
		if err := s.call(fd, false); err != unix.EINTR || over.Load() {
			return err
		}
	}
}

// interrupt sends a thread SIGALRM from the deadline on, again and again since
// it may come before the call that it is meant to end. None is sent when stop
// has returned: the command would get it.
func interrupt(thread int, deadline time.Time, over *atomic.Bool) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		pause := time.Until(deadline)
		for {
			select {
			case <-quit:
				return
			case <-time.After(pause):
			}
			over.Store(true)
			unix.Tgkill(unix.Getpid(), thread, unix.SIGALRM)
			pause = time.Millisecond
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// interruptible has a signal interrupt system calls that package runtime would
// have the kernel repeat. It remains the runtime's, which ignores it. On MIPS,
// where the kernel has more signals and another structure, it fails.
func interruptible(s unix.Signal) error {
	var action [8]uintptr // the kernel's: the handler, flags, and more
	if err := sigaction(s, nil, &action); err != nil {
		return err
	}
	const restart = 0x10000000 // SA_RESTART
	action[1] &^= restart
	return sigaction(s, &action, nil)
}

func sigaction(s unix.Signal, action, former *[8]uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s),
		uintptr(unsafe.Pointer(action)), uintptr(unsafe.Pointer(former)), 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// obeySignals has signals end the program as they end others: the runtime would
// ignore some, write about the end by others, and let the program exit with a status
// of its own while it makes ready to die of the rest. What is ignored remains so,
// where the runtime has kept that, and what is not meant to end anything or is the
// runtime's own is left alone. SIGALRM ends the program unless there is a timeout,
// which needs it.
func (s *settings) obeySignals() {
	const ignored = 1 // SIG_IGN
	byDefault := [8]uintptr{}
	for _, number := range []unix.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGTERM,
		unix.SIGQUIT, unix.SIGTRAP, unix.SIGABRT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
		unix.SIGPIPE, unix.SIGVTALRM, unix.SIGXCPU, unix.SIGXFSZ, unix.SIGIO, unix.SIGPWR, unix.SIGSYS,
	} {
		if number == unix.SIGALRM && s.timeout != nil {
			continue
		}
		var action [8]uintptr
		if sigaction(number, nil, &action); action[0] != ignored {
			sigaction(number, &byDefault, nil)
		}
	}
}
