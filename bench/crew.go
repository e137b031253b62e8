package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A crew is a process of workers that all take the same lock, again and again.
type crew struct {
	Kind    string
	Workers int
	Section time.Duration // they keep it, and are busy
	Pause   time.Duration // until they want it again
}

// A score is what a crew has done while it was observed.
type score struct {
	Turns []int     `json:"turns"` // of each worker
	Adds  uint64    `json:"adds"`  // to the counter, those afterwards included
	Waits histogram `json:"waits"` // cut off at the end
}

func (s *score) merge(other *score) {
	s.Turns = append(s.Turns, other.Turns...)
	s.Adds += other.Adds
	s.Waits.merge(&other.Waits)
}

// allTurns returns the turns of all workers.
func (s *score) allTurns() (n int) {
	for _, turns := range s.Turns {
		n += turns
	}
	return n
}

// A task is what the process of a crew is told.
type task struct {
	crew
	Path    string
	Counter string // a file
	Window  time.Duration
}

// startLead is how long before the window processes are told of it.
const startLead = 20 * time.Millisecond

// compete lets crews compete for one lock for the time of the window, and makes
// sure that they have excluded each other: under the lock they add to a counter
// that nothing else protects.
func (b *bench) compete(window time.Duration, crews ...crew) ([]score, error) {
	t := task{Path: b.path(), Counter: b.path(), Window: window}
	if err := os.WriteFile(t.Counter, make([]byte, 8), 0o666); err != nil {
		return nil, err
	}
	procs, err := b.assemble(t, crews)
	if err != nil {
		return nil, err
	}
	start := monotonic() + int64(startLead)
	for _, p := range procs {
		if err := p.say(start); err != nil {
			return nil, err
		}
	}
	scores, adds := make([]score, len(crews)), uint64(0)
	for i, p := range procs {
		if err := errors.Join(p.read(&scores[i]), p.finish()); err != nil {
			return nil, err
		}
		adds += scores[i].Adds
	}
	counted, err := os.ReadFile(t.Counter)
	if err != nil {
		return nil, err
	}
	if n := binary.NativeEndian.Uint64(counted); n != adds {
		return nil, fmt.Errorf("%s does not exclude: the counter is at %d after %d additions", crews[0].Kind, n, adds)
	}
	return scores, nil
}

// assemble starts the processes of all crews and waits until they are ready.
func (b *bench) assemble(t task, crews []crew) ([]*proc, error) {
	procs := make([]*proc, len(crews))
	for i, c := range crews {
		t.crew = c
		text, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		if procs[i], err = b.startSelf(c.Kind, "crew", string(text)); err != nil {
			return nil, err
		}
	}
	for _, p := range procs {
		if err := p.expect("ready"); err != nil {
			return nil, err
		}
	}
	return procs, nil
}

// work is the role of a crew.
func work(args []string) error {
	var t task
	if err := json.Unmarshal([]byte(args[0]), &t); err != nil {
		return err
	}
	counter, err := sharedWord(t.Counter)
	if err != nil {
		return err
	}
	workers := make([]worker, t.Workers)
	for i := range workers {
		workers[i] = worker{task: t, counter: counter}
		if workers[i].lock, err = kindNamed(t.Kind).open(t.Path); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	var start int64
	if _, err := fmt.Scan(&start); err != nil {
		return err
	}
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { workers[i].run(start) })
	}
	all.Wait()
	var s score
	for i := range workers {
		w := &workers[i]
		if w.err != nil {
			return w.err
		}
		s.Turns = append(s.Turns, w.turns)
		s.Adds += w.adds
		s.Waits.merge(&w.waits)
	}
	return answer(s)
}

// A worker is one goroutine of a crew. It allocates nothing while it works.
type worker struct {
	task
	lock    locker
	counter *uint64
	turns   int
	adds    uint64
	waits   histogram
	err     error
}

// run works from start to the end of the window. A wait goes on no longer than
// that, where it can be cancelled; in any case the rest of it does not count.
func (w *worker) run(start int64) {
	ctx, cancel := context.WithCancel(context.Background())
	end := start + int64(w.Window)
	time.Sleep(time.Duration(start - monotonic()))
	defer time.AfterFunc(time.Duration(end-monotonic()), cancel).Stop()
	for {
		began := monotonic()
		if began >= end {
			return
		}
		err := w.lock.acquire(ctx)
		got := monotonic()
		w.waits.add(time.Duration(min(got, end) - began))
		if err != nil && ctx.Err() != nil {
			return
		}
		if err == nil {
			err = w.turn(got)
		}
		if w.err = err; err != nil {
			return
		}
		if got < end {
			w.turns++
		}
		if w.Pause > 0 {
			time.Sleep(w.Pause)
		}
	}
}

// turn is what is done under the lock, and its release. Were somebody else at
// it, one of both additions would be lost.
func (w *worker) turn(now int64) error {
	n := *w.counter
	for end := now + int64(w.Section); now < end; {
		now = monotonic()
	}
	*w.counter = n + 1
	w.adds++
	return w.lock.release()
}
