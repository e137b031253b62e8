//go:build (unix && !linux && !aix) || mips || mipsle || mips64 || mips64le

package flock

import (
	"context"
	"errors"
	"time"

	"github.com/gofilelock/filelock/internal/wait"
	"golang.org/x/sys/unix"
)

// acquireUntil tries until the deadline comes: there is no way here to end a
// wait in the kernel.
func (s *settings) acquireUntil(fd int, deadline time.Time) error {
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

// obeySignals leaves signals to the runtime: SIGHUP, SIGINT and SIGTERM end the
// program.
func (s *settings) obeySignals() {}
