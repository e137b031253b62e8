package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// scale measures many locks in one process, and many waiters for one lock.
func scale(b *bench) error {
	if err := b.manyLocks(); err != nil {
		return err
	}
	return b.manyWaiters()
}

// manyLocks measures processes that hold very many locks at once, of files that
// exist.
func (b *bench) manyLocks() error {
	limit, err := openFiles()
	if err != nil {
		return err
	}
	n := pick(b, 10_000, 500)
	if room := limit - 200; room < n {
		b.note("%d of %d locks (no more than %d files can be open)", n-room, n, limit)
		n = room
	}
	title := fmt.Sprintf("%d locks held by one process", n)
	times := b.table(title+": acquire and release", "µs each", gofrsTry)
	heap := b.table(title+": heap, paths not included", "B each", gofrsTry)
	names := []string{fileLock, gofrsTry}
	procs := make([]*proc, len(names))
	for i, name := range names {
		times.row(name)
		heap.row(name)
		if procs[i], err = b.startSelf(name, "holder", name, b.path(), strconv.Itoa(n)); err != nil {
			return err
		}
		if err := procs[i].expect("ready"); err != nil {
			return err
		}
	}
	times.rows[0].goals = []goal{atMost(1.1, gofrsTry)}
	heap.rows[0].goals = []goal{atMost(600, "")}
	return b.byTurns(11, 1, len(names), func(_, i int) error {
		var got holding
		if err := procs[i].ask(&got, "hold"); err != nil {
			return err
		}
		times.rows[i].add(in(got.Took, time.Microsecond) / float64(n))
		heap.rows[i].add(float64(got.Heap) / float64(n))
		return nil
	})
}

// holding is what it costs to hold many locks.
type holding struct {
	Took time.Duration // acquire and release them all
	Heap int64         // bytes, while they are held
}

// holdMany is the role of a process that holds many locks, as often as it is
// told to.
func holdMany(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := os.Mkdir(args[1], 0o777); err != nil {
		return err
	}
	paths := make([]string, n)
	for i := range paths {
		paths[i] = filepath.Join(args[1], fmt.Sprintf("%d.lock", i))
		if err := os.WriteFile(paths[i], nil, 0o666); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	locks := make([]locker, n)
	if _, err := holdAll(ctx, kindNamed(args[0]), paths, locks); err != nil { // to warm up
		return err
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		h, err := holdAll(ctx, kindNamed(args[0]), paths, locks)
		if err != nil {
			return err
		}
		if err := answer(h); err != nil {
			return err
		}
	}
	return in.Err()
}

// holdAll holds a lock on each path at the same time. The few bytes of each
// locker itself count as the lock's.
func holdAll(ctx context.Context, k kind, paths []string, locks []locker) (h holding, err error) {
	before := heap()
	start := time.Now()
	for i, path := range paths {
		if locks[i], err = k.open(path); err != nil {
			return h, err
		}
		if err = locks[i].acquire(ctx); err != nil {
			return h, err
		}
	}
	h.Took = time.Since(start)
	h.Heap = heap() - before
	start = time.Now()
	for _, l := range locks {
		if err = l.release(); err != nil {
			return h, err
		}
	}
	h.Took += time.Since(start)
	clear(locks)
	return h, nil
}

// heap returns how many bytes of the heap are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's clean-ups have let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// manyWaiters measures what goroutines cost that wait for the same lock.
func (b *bench) manyWaiters() error {
	n := pick(b, 1000, 200)
	title := fmt.Sprintf("%d goroutines that wait for one lock", n)
	memory := b.table(title+": heap and stacks", "B each", gofrsLock)
	threads := b.table(title+": threads more than before", "", gofrsLock)
	names := []string{fileLock, gofrsLock, gofrsPoll1}
	for _, name := range names {
		memory.row(name)
		threads.row(name)
	}
	memory.rows[0].goals = []goal{atMost(4096, "")}
	threads.rows[0].goals = []goal{atMost(float64(n)/100, "")} // the runtime has a few of its own
	return b.byTurns(5, 1, len(names), func(_, i int) error {
		got, err := b.waitersOf(names[i], n)
		memory.rows[i].add(float64(got.Memory) / float64(n))
		threads.rows[i].add(float64(got.Threads))
		return err
	})
}

// crush is what it costs to have many goroutines wait.
type crush struct {
	Memory  int64 // bytes
	Threads int
}

func (b *bench) waitersOf(name string, n int) (got crush, err error) {
	path := b.path()
	held, err := kindNamed(gofrsTry).open(path)
	if err != nil {
		return got, err
	}
	if err := held.acquire(b.ctx); err != nil {
		return got, err
	}
	p, err := b.startSelf(name, "waiters", name, path, strconv.Itoa(n))
	if err == nil {
		err = p.read(&got)
	}
	if err := held.release(); err != nil { // so that those end who cannot be cancelled
		return got, err
	}
	if err != nil {
		return got, err
	}
	return got, p.finish()
}

// waitMany is the role of a process with many goroutines that wait for a lock
// which somebody else has.
func waitMany(args []string) error {
	name, path := args[0], args[1]
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, n)
	before, err := weigh()
	if err != nil {
		return err
	}
	for range n {
		l, err := kindNamed(name).open(path)
		if err != nil {
			return err
		}
		go func() { ended <- waitOnce(ctx, l) }()
	}
	time.Sleep(settle)
	after, err := weigh()
	if err != nil {
		return err
	}
	if err := answer(crush{after.Memory - before.Memory, after.Threads - before.Threads}); err != nil {
		return err
	}
	cancel()
	for range n {
		err = errors.Join(err, <-ended)
	}
	return err
}

// waitOnce waits until it has the lock or is cancelled.
func waitOnce(ctx context.Context, l locker) error {
	if err := l.acquire(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return l.release()
}

// weigh returns what this process takes up.
func weigh() (c crush, err error) {
	c.Memory = heap()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	c.Memory += int64(m.StackInuse)
	c.Threads, err = threads()
	return c, err
}
