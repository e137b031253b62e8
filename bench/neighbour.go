package main

import (
	"fmt"
	"time"
)

// lonePause is how long a lone waiter does without the lock between its turns.
const lonePause = time.Millisecond

// neighbour measures a process with a lone goroutine: beside a busy process of
// its own kind, and beside two that block in the kernel.
func neighbour(b *bench) error {
	for _, section := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond} {
		if err := b.besideCrowd(section); err != nil {
			return err
		}
	}
	for _, other := range []string{gofrsLock, keptFlock} {
		for _, section := range []time.Duration{0, 100 * time.Microsecond} {
			if err := b.besideBlockers(other, section); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) besideCrowd(section time.Duration) error {
	waits := b.waits(fmt.Sprintf("beside a process of 64 goroutines, section %v", section))
	names := []string{fileLock, gofrsLock}
	for _, name := range names {
		waits.row(name)
	}
	if section <= 100*time.Microsecond {
		waits.p99.rows[0].goals = []goal{atMost(1.0/50, gofrsLock)}
	}
	return b.byTurns(5, 1, len(names), func(_, i int) error {
		scores, err := b.compete(b.windowOf(),
			crew{Kind: names[i], Workers: 1, Section: section, Pause: lonePause},
			crew{Kind: names[i], Workers: 64, Section: section})
		if err != nil {
			return err
		}
		waits.add(i, &scores[0].Waits)
		return nil
	})
}

// besideBlockers also measures gofrs in the place of the lone waiter, for which
// the kernel keeps a place in its queue.
func (b *bench) besideBlockers(other string, section time.Duration) error {
	title := fmt.Sprintf("beside two processes of %s, section %v", other, section)
	turns := b.table(title+": turns, of those that are due", "", gofrsLock)
	waits := b.waits(title)
	names := []string{fileLock, gofrsLock}
	for _, name := range names {
		turns.row(name)
		waits.row(name)
	}
	turns.rows[0].goals = []goal{atLeast(0.1, "")}
	window := b.windowOf()
	return b.byTurns(5, 1, len(names), func(_, i int) error {
		blocker := crew{Kind: other, Workers: 1, Section: section}
		scores, err := b.compete(window,
			crew{Kind: names[i], Workers: 1, Section: section, Pause: lonePause}, blocker, blocker)
		if err != nil {
			return err
		}
		// Due is a third of all turns, but no more than there is time to ask for.
		all := 0
		for _, s := range scores {
			all += s.allTurns()
		}
		due := min(float64(all)/3, float64(window)/float64(lonePause+section))
		turns.rows[i].add(float64(scores[0].allTurns()) / max(1, due))
		waits.add(i, &scores[0].Waits)
		return nil
	})
}
