package main

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// uncontended measures acquire and release where nobody else is.
func uncontended(b *bench) error {
	times := b.table("acquire and release, nobody else there", "µs", gofrsTry)
	allocs := b.table("allocations of one acquire and release", "", "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pythons, err := b.pyFilelocks()
	if err != nil {
		return err
	}
	goals := uncontendedGoals(pythons)
	var rows []*row
	var work []repeated
	add := func(r *row, w repeated) { rows, work = append(rows, r), append(work, w) }
	for _, k := range kinds {
		if k.name == gofrsPoll10 { // the same as with 1 ms
			continue
		}
		l, err := k.open(b.path())
		if err != nil {
			return err
		}
		add(times.row(k.name, goals[k.name]...), onceAndAgain(ctx, l))
		n, err := allocations(ctx, l)
		if err != nil {
			return err
		}
		r := allocs.row(k.name)
		if k.name == fileLock {
			r.goals = []goal{atMost(2, "")}
		}
		r.add(n)
	}
	for _, py := range pythons {
		for _, class := range []string{"FileLock", "SoftFileLock"} {
			p, err := py.party(class).start(b, b.path())
			if err != nil {
				return err
			}
			name := py.name
			if class != "FileLock" {
				name += " " + class
			}
			add(times.row(name), p.repeats("batch"))
		}
	}
	if cmd, ok := b.flockCommand(b.path()); ok {
		add(times.row("flock(1), a process each time"), runs(b.ctx, cmd))
	}
	return b.timed(101, 2*time.Millisecond, time.Microsecond, rows, work)
}

func uncontendedGoals(pythons []pyFilelock) map[string][]goal {
	goals := map[string][]goal{
		fileLock:                  {atMost(0.6, gofrsTry)},
		"FileLock, new each time": {atMost(1.1, gofrsNew)},
		"FileLock WithContent":    {atMost(1.25, gofrsTry)},
		softFileLock:              {atMost(1.3, gofrsTry), atMost(0.5, exclusive)},
	}
	for _, py := range pythons {
		bound := 0.05
		if strings.HasPrefix(py.name, "py-filelock 3.9.") {
			bound = 0.4
		}
		goals[fileLock] = append(goals[fileLock], atMost(bound, py.name))
	}
	return goals
}

// onceAndAgain takes the lock and gives it back. What one batch leaves for the
// garbage collector is not paid for by the next one, and none is so long that
// it would run within.
func onceAndAgain(ctx context.Context, l locker) repeated {
	return func(n int) (time.Duration, error) {
		runtime.GC()
		start := time.Now()
		for range n {
			if err := l.acquire(ctx); err != nil {
				return 0, err
			}
			if err := l.release(); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
}

func allocations(ctx context.Context, l locker) (n float64, err error) {
	n = testing.AllocsPerRun(200, func() {
		if err == nil {
			err = l.acquire(ctx)
		}
		if err == nil {
			err = l.release()
		}
	})
	return n, err
}

// repeats has the process do something again and again and say how long it
// took.
func (p *proc) repeats(command string) repeated {
	return func(n int) (time.Duration, error) {
		ns, err := p.number(command, n)
		return time.Duration(ns), err
	}
}

// runs starts a program like cmd again and again.
func runs(ctx context.Context, cmd *exec.Cmd) repeated {
	return func(n int) (time.Duration, error) {
		start := time.Now()
		for range n {
			if err := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...).Run(); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
}
