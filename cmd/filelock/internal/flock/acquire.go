//go:build unix && !aix

package flock

import (
	"context"
	"errors"
	"time"

	"github.com/gofilelock/filelock/internal/wait"
	"golang.org/x/sys/unix"
)

// acquire takes the lock of a descriptor, or gives it back. It fails with
// EWOULDBLOCK where it may not wait, and with EINTR when the deadline comes,
// which the zero time never does.
func (s *settings) acquire(fd int, deadline time.Time) error {
	if s.noWait || s.how == unix.LOCK_UN || deadline.IsZero() {
		return uninterrupted(func() error { return s.call(fd, s.noWait) })
	}
	return s.acquireUntil(fd, deadline)
}

// pollUntil tries again and again until the deadline comes.
func (s *settings) pollUntil(fd int, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	try := func() error { return uninterrupted(func() error { return s.call(fd, true) }) }
	err := try()
	if err == unix.EWOULDBLOCK {
		err = wait.New("", 0, 0, nil).Persevere(ctx, unix.EWOULDBLOCK, try)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unix.EINTR
	}
	return err
}

// call is the system call.
func (s *settings) call(fd int, noWait bool) error {
	if s.records {
		return record(fd, s.how, noWait)
	}
	how := s.how
	if noWait {
		how |= unix.LOCK_NB
	}
	return unix.Flock(fd, how)
}
