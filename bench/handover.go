package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// handover measures how long after a release in one process the waiter of
// another has the lock.
func handover(b *bench) error {
	pythons, err := b.pyFilelocks()
	if err != nil {
		return err
	}
	parties := []party{goParty(fileLock), goParty(softFileLock), goParty(gofrsLock), goParty(gofrsPoll1)}
	goals := []goal{atMost(3, gofrsLock), atMost(1.0/12, gofrsPoll1)}
	for _, py := range pythons {
		parties = append(parties, py.party("FileLock"))
		goals = append(goals, atMost(1.0/250, py.name))
	}
	if err := b.handovers("5–100 ms", 5*time.Millisecond, 100*time.Millisecond, pick(b, 10, 3), parties, goals); err != nil {
		return err
	}
	return b.handovers("0.2–5 ms", 200*time.Microsecond, 5*time.Millisecond, pick(b, 50, 5), parties, goals)
}

// handovers measures n hand-overs of each party in each round, after holds of
// random length.
func (b *bench) handovers(title string, shortest, longest time.Duration, n int, parties []party, goals []goal) error {
	median := b.table("hand-over, held for "+title+": median", "µs", gofrsLock)
	p99 := b.table("hand-over, held for "+title+": 99th percentile of all", "µs", gofrsLock)
	pairs := make([]pair, len(parties))
	for i, p := range parties {
		var err error
		if pairs[i], err = b.pair(p); err != nil {
			return err
		}
		median.row(p.name)
		p99.row(p.name)
	}
	median.rows[0].goals = goals
	all := make([][]float64, len(parties))
	seed := rand.Uint64()
	err := b.byTurns(15, 1, len(parties), func(round, i int) error {
		var took []float64
		holds := rand.New(rand.NewPCG(seed, uint64(round))) // the same for all parties
		for range n {
			us, err := pairs[i].handOver(shortest + time.Duration(holds.Int64N(int64(longest-shortest))))
			if err != nil {
				return err
			}
			took = append(took, us)
		}
		all[i] = append(all[i], took...)
		median.rows[i].add(spreadOf(took).Median)
		return nil
	})
	for i, took := range all {
		slices.Sort(took)
		p99.rows[i].add(quantile(took, 0.99))
	}
	return err
}

// A pair is two processes that use one lock by turns.
type pair struct{ holder, waiter *proc }

func (b *bench) pair(p party) (both pair, err error) {
	path := b.path()
	if both.holder, err = p.start(b, path); err != nil {
		return both, err
	}
	both.waiter, err = p.start(b, path)
	return both, err
}

// handOver returns the time from the release to the waiter's turn, in µs. In
// between this process sleeps, and so has no need of a processor that the other
// two may need.
func (p pair) handOver(hold time.Duration) (us float64, err error) {
	if err := p.holder.acquire(); err != nil {
		return 0, err
	}
	if err := p.waiter.wait(); err != nil {
		return 0, err
	}
	if err := p.holder.say("release", int64(hold)); err != nil {
		return 0, err
	}
	acquired, err := p.waiter.nextNumber()
	if err != nil {
		return 0, err
	}
	released, err := p.holder.number("released", 0)
	if err != nil {
		return 0, err
	}
	if err := p.waiter.say("release", 0); err != nil {
		return 0, err
	}
	if _, err := p.waiter.number("released", 0); err != nil { // or the holder may have to wait next time
		return 0, err
	}
	if acquired < released {
		return 0, fmt.Errorf("%s: the waiter had the lock %d ns before it was given back", p.waiter.name, released-acquired)
	}
	return float64(acquired-released) / 1e3, nil
}
