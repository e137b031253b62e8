package linear

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/lease"
)

// A party is the goroutines of one process.
type party struct {
	kind    *kind
	process int
	clients int
	steps   int // of each of them
	seed    uint64
	log     *os.File
	lock    func() locktest.Lock
	name    func(filelock.Holder) int // the process that a holder is
}

// play is the role of a process: it does what chance wants, and ends.
func play(args []string) error {
	var numbers [4]int
	for i := range numbers {
		n, err := strconv.Atoi(args[2+i])
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	k, err := kindNamed(args[0])
	if err != nil {
		return err
	}
	s := scene{args[1]}
	p := &party{
		kind: k, process: numbers[0], clients: numbers[1], steps: numbers[2], seed: uint64(numbers[3]),
		lock: func() locktest.Lock { return k.open(s.lock()) },
		name: s.process,
	}
	if p.log, err = os.OpenFile(s.log(p.process), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
		return err
	}
	if err := s.introduce(p.process); err != nil {
		return err
	}
	fmt.Println("ready")
	if in := bufio.NewScanner(os.Stdin); !in.Scan() {
		return errors.New("nobody says when to begin")
	}
	if err := p.run(); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

func (p *party) run() error {
	var wg sync.WaitGroup
	failed := make(chan error, p.clients)
	for i := range p.clients {
		number := p.process*p.clients + i
		r := &runner{party: p, client: number, lock: p.lock(), random: rand.New(rand.NewPCG(p.seed, uint64(number)))}
		r.ctx = filelock.WithOwner(context.Background(), filelock.NewOwner(strconv.Itoa(number)))
		wg.Go(func() { failed <- r.run() })
	}
	wg.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// note adds a line to the log in one step.
func (p *party) note(o *operation) error {
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = p.log.Write(append(line, '\n'))
	return err
}

// A runner is one goroutine, and an owner of its own.
type runner struct {
	*party
	client int
	lock   locktest.Lock
	ctx    context.Context
	random *rand.Rand
	holds  []*filelock.Hold
	state  filelock.State // that was inspected last
}

func (r *runner) run() error {
	for step := 0; step < r.steps || len(r.holds) > 0; step++ {
		if err := r.step(step >= r.steps); err != nil {
			return err
		}
	}
	return nil
}

// step does one thing. In the end it only gives back what there is.
func (r *runner) step(ending bool) error {
	chance := r.random.IntN(100)
	switch held := len(r.holds) > 0; {
	case held && (ending || chance < 50):
		return r.release()
	case held && r.kind.lease && chance < 65:
		return r.refresh()
	case held && r.kind.lease && chance < 85:
		return r.look()
	case r.kind.breaks && chance >= 92, r.kind.death == stays && !r.kind.lease && !held && chance >= 60:
		return r.breakHold()
	}
	return r.acquire()
}

// do has the log tell of one call.
func (r *runner) do(o operation, call func(o *operation) error) error {
	o.Client, o.Process, o.Call = r.client, r.process, now()
	if err := r.note(&o); err != nil {
		return err
	}
	err := call(&o)
	o.Return, o.Result = now(), resultOf(err)
	if err != nil {
		o.Error = err.Error()
	}
	if err := r.note(&o); err != nil {
		return err
	}
	r.idle()
	return nil
}

// idle passes some time, in which others come first, or nothing.
func (r *runner) idle() {
	if longest := r.kind.idle; longest > 0 && r.random.IntN(3) > 0 {
		time.Sleep(rand.N(longest))
	}
}

func resultOf(err error) result {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, filelock.ErrUpgrade):
		return upgrade
	case errors.Is(err, filelock.ErrLost):
		return lost
	case errors.Is(err, context.Canceled):
		return cancelled
	case errors.Is(err, filelock.ErrTimeout):
		return timedOut
	case errors.Is(err, filelock.ErrLocked):
		return locked
	case errors.Is(err, sys.ErrBusy):
		return busy
	}
	return failed
}

func (r *runner) acquire() error {
	o := operation{Verb: acquire, Shared: r.kind.shares && r.random.IntN(2) == 0}
	o.How = []string{wait, try, timeout, cancel}[r.random.IntN(4)]
	if o.How == wait && r.kind.death == stays {
		o.How = try // what the dead have left behind may stay for long
	}
	limit := time.Duration(r.random.Int64N(int64(r.kind.patience)))
	return r.do(o, func(o *operation) error {
		var opts []filelock.AcquireOption
		if o.Shared {
			opts = append(opts, filelock.Shared())
		}
		ctx, cancelNow := context.WithCancel(r.ctx)
		defer cancelNow()
		switch o.How {
		case try:
			opts = append(opts, filelock.NonBlocking())
		case timeout:
			opts = append(opts, filelock.WithTimeout(max(limit, 1)))
		case cancel:
			defer time.AfterFunc(limit, cancelNow).Stop()
		}
		hold, err := r.lock.Acquire(ctx, opts...)
		if err == nil {
			o.Token = hold.Token()
			r.holds = append(r.holds, hold)
		}
		return err
	})
}

func (r *runner) release() error {
	return r.do(operation{Verb: release}, func(*operation) error {
		i := r.random.IntN(len(r.holds))
		err := r.holds[i].Release()
		if err == nil || errors.Is(err, filelock.ErrLost) {
			r.holds = append(r.holds[:i], r.holds[i+1:]...)
		}
		return err
	})
}

// breakHold inspects the lock, and breaks what it has seen at times, or if its
// holder is dead.
func (r *runner) breakHold() error {
	err := r.do(operation{Verb: inspect}, func(o *operation) (err error) {
		r.state, err = r.lock.Inspect(r.ctx)
		switch s := r.state; {
		case err != nil:
		case !s.Held:
			o.Seen = nobody
		case len(s.Holders) == 0:
			o.Seen = unknown
		default:
			o.Seen = r.name(s.Holders[len(s.Holders)-1]) // of an own hold nobody has said yet that it is lost
		}
		return err
	})
	if err != nil || !r.breaks() {
		return err
	}
	return r.do(operation{Verb: breakHold}, func(*operation) error {
		err := r.lock.Break(r.ctx, r.state)
		if errors.Is(err, fs.ErrInvalid) && r.kind.name == "mkdir" {
			// Somebody whose directory had been broken took this one for it.
			err = fmt.Errorf("%w: %w", sys.ErrBusy, err)
		}
		return err
	})
}

// breaks decides whether what was inspected is broken.
func (r *runner) breaks() bool {
	s := r.state
	switch {
	case !s.Held:
		return false
	case s.Stale:
		return true
	}
	named := len(s.Holders) > 0 && s.Holders[0].PID != 0
	return (r.kind.breaks || !named) && r.random.IntN(2) == 0
}

func (r *runner) refresh() error {
	return r.do(operation{Verb: refresh}, func(*operation) error {
		return r.lock.(*lease.Lock).Refresh(r.ctx, 0)
	})
}

func (r *runner) look() error {
	return r.do(operation{Verb: look}, func(*operation) error {
		select {
		case <-r.holds[len(r.holds)-1].Lost():
			return filelock.ErrLost
		default:
			return nil
		}
	})
}
