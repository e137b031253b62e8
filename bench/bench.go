package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// A family is a kind of work that all candidates do.
type family struct {
	name string
	run  func(*bench) error
}

// A bench is one run of a family: what it may use, and what it has found out.
type bench struct {
	settings
	ctx     context.Context
	dir     string // for lock files; goes with the run
	procs   []*proc
	cleanUp []func() error
	report  report
}

func (f family) measure(ctx context.Context, set settings, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp(set.dir, "filelock-bench-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil { // nightlyone/lockfile takes no other
		return err
	}
	b := &bench{settings: set, ctx: ctx, dir: dir, report: report{family: f.name, machine: machine(), started: time.Now()}}
	defer func() { err = errors.Join(err, b.end()) }()
	if err := f.run(b); err != nil {
		if ctx.Err() != nil { // it took the processes along
			return ctx.Err()
		}
		return err
	}
	if err := b.report.print(stdout); err != nil || set.out == "" {
		return err
	}
	return b.report.write(set.out)
}

// end leaves nothing behind.
func (b *bench) end() error {
	for _, p := range b.procs {
		p.kill()
	}
	var errs []error
	for _, do := range b.cleanUp {
		errs = append(errs, do())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// path returns a name for a lock file that nobody else has.
func (b *bench) path() string {
	return filepath.Join(b.dir, fmt.Sprintf("%x.lock", rand.Uint64()))
}

// pick returns one of two efforts.
func pick[T any](b *bench, full, quick T) T {
	if b.quick {
		return quick
	}
	return full
}

// byTurns measures each of n candidates once in every round. Each round has an
// order of its own, so that nobody always comes after the same neighbour.
func (b *bench) byTurns(full, quick, n int, measure func(round, i int) error) error {
	for round := range b.roundsOf(full, quick) {
		for _, i := range rand.Perm(n) {
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			if err := measure(round, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) roundsOf(full, quick int) int {
	if b.rounds > 0 {
		return b.rounds
	}
	return pick(b, full, quick)
}

// windowOf returns how long crews are observed.
func (b *bench) windowOf() time.Duration {
	if b.window > 0 {
		return b.window
	}
	return pick(b, 2*time.Second, 100*time.Millisecond)
}

// settle is how long those who begin to wait need until they do nothing else.
const settle = 300 * time.Millisecond

// sleep returns early, with an error, if the run is interrupted.
func (b *bench) sleep(d time.Duration) error {
	select {
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// repeated does something n times and returns how long that took.
type repeated func(n int) (time.Duration, error)

// batch returns how often to do something that is to take about d. One slow run
// says nothing: small batches would measure how they begin.
func (r repeated) batch(d time.Duration) (int, error) {
	for n := 1; ; n *= 2 {
		shortest := time.Duration(math.MaxInt64)
		for range 3 {
			took, err := r(n)
			if err != nil {
				return 0, err
			}
			shortest = min(shortest, took)
		}
		if shortest >= d {
			return max(1, int(float64(n)*float64(d)/float64(shortest))), nil
		}
	}
}

// timed adds to each row how long one repetition takes, in its table's unit.
func (b *bench) timed(full int, batch, unit time.Duration, rows []*row, work []repeated) error {
	sizes := make([]int, len(work))
	for i, w := range work {
		var err error
		if sizes[i], err = w.batch(pick(b, batch, batch/10)); err != nil {
			return fmt.Errorf("%s: %w", rows[i].name, err)
		}
	}
	return b.byTurns(full, 3, len(work), func(_, i int) error {
		took, err := work[i](sizes[i])
		if err != nil {
			return fmt.Errorf("%s: %w", rows[i].name, err)
		}
		rows[i].add(float64(took) / float64(sizes[i]) / float64(unit))
		return nil
	})
}
