//go:build unix || windows

package filelock_test

import (
	"context"
	"sync"
	"testing"

	"github.com/gofilelock/filelock"
)

// The module in bench measures side by side with others. These are for a quick
// look at one's own work.

func BenchmarkFileLock(b *testing.B)     { alone(b, filelock.New(lockPath(b))) }
func BenchmarkSoftFileLock(b *testing.B) { alone(b, filelock.NewSoft(lockPath(b))) }

func BenchmarkNewFileLock(b *testing.B) {
	path := lockPath(b)
	b.ReportAllocs()
	for b.Loop() {
		once(b, filelock.New(path), bg)
	}
}

func BenchmarkNestedDo(b *testing.B) {
	l := filelock.New(lockPath(b))
	nothing := func(context.Context) error { return nil }
	b.ReportAllocs()
	must(b, l.Do(bg, func(ctx context.Context) error {
		for b.Loop() {
			if err := l.Do(ctx, nothing); err != nil {
				return err
			}
		}
		return nil
	}))
}

func BenchmarkCrowd(b *testing.B) {
	const workers = 64
	l := filelock.New(lockPath(b))
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	b.ReportAllocs()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range b.N/workers + 1 {
				once(b, l, ctx)
			}
		})
	}
	all.Wait()
}

func alone(b *testing.B, l filelock.Locker) {
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		once(b, l, ctx)
	}
}

func once(b *testing.B, l filelock.Locker, ctx context.Context) {
	h, err := l.Acquire(ctx)
	if err == nil {
		err = h.Release()
	}
	if err != nil {
		b.Error(err)
	}
}
