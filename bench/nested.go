package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
)

const deepest = 4

// nested measures a Do by an owner that has the lock already.
func nested(b *bench) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	times := b.table("Do by who has the lock already", "ns", "")
	allocs := b.table("allocations of one such Do", "", "")
	lock := filelock.New(b.path())
	var work []repeated
	for depth := 1; depth <= deepest; depth++ {
		name := fmt.Sprintf("FileLock.Do, depth %d", depth)
		times.row(name, atMost(50, ""))
		work = append(work, func(n int) (took time.Duration, err error) {
			err = within(ctx, lock, depth, func(ctx context.Context) error {
				took, err = doRepeatedly(ctx, lock, n)
				return err
			})
			return took, err
		})
		r := allocs.row(name, atMost(0, ""))
		err := within(ctx, lock, depth, func(ctx context.Context) (err error) {
			r.add(testing.AllocsPerRun(1000, func() { _, err = doRepeatedly(ctx, lock, 1) }))
			return err
		})
		if err != nil {
			return err
		}
	}
	pythons, err := b.pyFilelocks()
	if err != nil {
		return err
	}
	for _, py := range pythons {
		p, err := py.party("FileLock").start(b, b.path())
		if err != nil {
			return err
		}
		times.row(py.name + ", acquire and release")
		work = append(work, p.repeats("nest"))
	}
	return b.timed(101, time.Millisecond, time.Nanosecond, times.rows, work)
}

// within calls f inside that many Do's.
func within(ctx context.Context, lock *filelock.FileLock, depth int, f func(context.Context) error) error {
	if depth == 0 {
		return f(ctx)
	}
	return lock.Do(ctx, func(ctx context.Context) error { return within(ctx, lock, depth-1, f) })
}

func doRepeatedly(ctx context.Context, lock *filelock.FileLock, n int) (time.Duration, error) {
	start := time.Now()
	for range n {
		if err := lock.Do(ctx, nothing); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
