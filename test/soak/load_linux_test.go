package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofilelock/filelock"
)

// goroutines is how many of them each process has for its load.
const goroutines = 6

// A load is a process that uses the locks of all places.
type load struct {
	places []*place
	seed   uint64
	round  uint64

	tries, holds, lost, refused atomic.Uint64
}

// loading is the role of such a process. Its arguments are the directory of the
// places, its name and its seed. It works from "go" to "stop", and then prints
// its footprint.
func loading(args []string) error {
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	l := &load{seed: seed}
	for _, k := range kinds {
		p := k.in(args[0])
		if p.notes, err = p.scene.Log(args[1]); err != nil {
			return err
		}
		l.places = append(l.places, p)
	}
	if err := startPolling(); err != nil {
		return err
	}
	start, err := measure()
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() { // "go"
		ctx, cancel := context.WithCancel(context.Background())
		var workers sync.WaitGroup
		failed := make(chan error, goroutines)
		for i := range uint64(goroutines) {
			w := &worker{load: l, rand: rand.New(rand.NewPCG(l.seed, l.round<<8|i))}
			workers.Go(func() { failed <- w.work(ctx) })
		}
		l.round++
		fmt.Println("working")
		go func() {
			in.Scan() // "stop"
			cancel()
		}()
		for range goroutines {
			err = errors.Join(err, <-failed)
			if err != nil {
				return err
			}
		}
		workers.Wait()
		f, err := settled(start)
		if err != nil {
			return err
		}
		f.Tries, f.Holds, f.Lost, f.Refused = l.tries.Load(), l.holds.Load(), l.lost.Load(), l.refused.Load()
		if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
			return err
		}
	}
	return in.Err()
}

// startPolling has the runtime open now what it opens with the first pipe.
func startPolling() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), w.Close())
}

// A worker is one goroutine of a load.
type worker struct {
	*load
	rand *rand.Rand
}

func (w *worker) oneIn(n int) bool { return w.rand.IntN(n) == 0 }

// upTo returns a random time.
func (w *worker) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

// work uses the locks until ctx ends.
func (w *worker) work(ctx context.Context) error {
	for ctx.Err() == nil {
		p := w.place()
		w.tries.Add(1)
		if err := w.use(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// place chooses a place: that which all are drawn to for now, or any.
func (w *worker) place() *place {
	if w.oneIn(4) {
		return w.places[w.rand.IntN(len(w.places))]
	}
	return w.places[time.Now().UnixMilli()/50%int64(len(w.places))]
}

// use uses the lock of a place once, in some way, unless others have it.
func (w *worker) use(ctx context.Context, p *place) error {
	ctx, end, opts := w.wait(ctx)
	defer end()
	mode, do := filelock.Exclusive(), p.count
	if p.shares && w.oneIn(3) {
		mode, do = filelock.Shared(), p.look
	}
	var err error
	switch {
	case p.lock == nil && w.oneIn(2):
		err = p.read(ctx, fileOptions(opts)...)
	case p.lock == nil:
		err = p.edit(ctx, p, fileOptions(opts)...)
	case p.ends:
		err = w.lease(ctx, p, opts)
	default:
		err = w.hold(ctx, p, mode, do, opts)
	}
	switch {
	case err == nil:
		w.holds.Add(1)
	case errors.Is(err, filelock.ErrLost):
		w.lost.Add(1)
	}
	if !p.expected(ctx, err) {
		return err
	}
	return nil
}

func fileOptions(opts []filelock.AcquireOption) (all []filelock.FileOption) {
	for _, o := range opts {
		all = append(all, o)
	}
	return all
}

// wait chooses for how long to wait, and what ends it.
func (w *worker) wait(ctx context.Context) (context.Context, context.CancelFunc, []filelock.AcquireOption) {
	var opts []filelock.AcquireOption
	if w.oneIn(4) {
		opts = append(opts, filelock.OnWait(func(filelock.WaitInfo) {}))
	}
	if w.oneIn(8) {
		opts = append(opts, filelock.WithPollInterval(time.Millisecond+w.upTo(20*time.Millisecond)))
	}
	switch soon := w.upTo(20 * time.Millisecond); w.rand.IntN(8) {
	case 0:
		return ctx, func() {}, append(opts, filelock.NonBlocking())
	case 1:
		ctx, cancel := context.WithTimeout(ctx, soon)
		return ctx, cancel, opts
	case 2:
		ctx, cancel := context.WithCancel(ctx)
		timer := time.AfterFunc(soon, cancel)
		return ctx, func() { timer.Stop(); cancel() }, opts
	case 3: // until the end of the round
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		return ctx, cancel, opts
	default:
		return ctx, func() {}, append(opts, filelock.WithTimeout(soon))
	}
}

// hold has the lock of a place while it does something.
func (w *worker) hold(ctx context.Context, p *place, mode filelock.AcquireOption, do func(context.Context) error, opts []filelock.AcquireOption) error {
	l := p.lock(p.scene.Lock())
	opts = append(opts, mode)
	work := func(ctx context.Context) error {
		if w.oneIn(100) { // for others to queue up
			time.Sleep(w.upTo(20 * time.Millisecond))
		}
		if err := do(ctx); err != nil || !w.oneIn(3) {
			return err
		}
		// The lock of the same name, once more.
		return broken(p.lock(p.scene.Lock()).Do(context.WithoutCancel(ctx), func(context.Context) error { return nil }, mode))
	}
	switch w.rand.IntN(6) {
	case 0:
		return l.Guard(work, opts...)(ctx)
	case 1:
		if _, err := l.Inspect(ctx); err != nil && !errors.Is(err, filelock.ErrUnsupported) {
			return err
		}
		fallthrough
	case 2:
		hold, err := l.Acquire(ctx, opts...)
		if err != nil {
			return err
		}
		return errors.Join(work(hold.Context()), hold.Release())
	case 3:
		hold, err := l.TryAcquire(ctx, opts...)
		if err != nil {
			return err
		}
		return errors.Join(work(hold.Context()), hold.Release())
	default:
		return l.Do(ctx, work, opts...)
	}
}

// lease has the lease of a place, at times for longer than its lifetime. Whoever
// is refused by the fence has to be told that the lease is lost.
func (w *worker) lease(ctx context.Context, p *place, opts []filelock.AcquireOption) error {
	hold, err := p.lock(p.scene.Lock()).Acquire(ctx, opts...)
	if err != nil {
		return err
	}
	if w.oneIn(50) {
		select {
		case <-hold.Lost():
		case <-time.After(w.upTo(2 * short.Lifetime)):
		}
	}
	counted, err := p.fenced(hold.Token())
	if err == nil && !counted {
		w.refused.Add(1)
		select {
		case <-hold.Lost():
		case <-time.After(30 * time.Second):
			err = errors.New("the lease is somebody else's, and nobody has told its holder")
		}
	}
	return errors.Join(broken(err), hold.Release())
}
