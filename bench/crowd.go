package main

import (
	"fmt"
	"slices"
	"time"
)

// crowd measures many processes of many goroutines each that want one lock.
func crowd(b *bench) error {
	sizes := b.sizes
	if sizes == nil {
		sizes = pick(b, []size{{1, 64}, {4, 64}, {16, 64}}, []size{{1, 64}, {4, 64}})
	}
	sections := b.sections
	if sections == nil {
		sections = []time.Duration{0}
	}
	for _, section := range sections {
		for _, s := range sizes {
			if err := b.crowdOf(s, section); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) crowdOf(s size, section time.Duration) error {
	title := fmt.Sprintf("%v goroutines, section %v", s, section)
	turns := b.table(title+": turns", "1/s", gofrsLock)
	fair := b.table(title+": turns of the slowest goroutine to those of the fastest", "", "")
	waits := b.waits(title)
	names := []string{fileLock, gofrsLock, gofrsPoll1}
	for _, name := range names {
		turns.row(name)
		fair.row(name)
		waits.row(name)
	}
	switch own := 0; {
	case section > 0:
	case s == size{1, 64}:
		turns.rows[own].goals = []goal{atLeast(5, gofrsLock)}
	case s == size{4, 64}:
		turns.rows[own].goals = []goal{atLeast(2, gofrsLock)}
		fair.rows[own].goals = []goal{atLeast(0.8, "")}
		waits.longest.rows[own].goals = []goal{atMost(1.0/5, gofrsLock)}
	}
	window := b.windowOf()
	return b.byTurns(5, 1, len(names), func(_, i int) error {
		crews := slices.Repeat([]crew{{Kind: names[i], Workers: s.workers, Section: section}}, s.processes)
		scores, err := b.compete(window, crews...)
		if err != nil {
			return err
		}
		var sum score
		for i := range scores {
			sum.merge(&scores[i])
		}
		turns.rows[i].add(float64(sum.allTurns()) / window.Seconds())
		fair.rows[i].add(float64(slices.Min(sum.Turns)) / float64(max(1, slices.Max(sum.Turns))))
		waits.add(i, &sum.Waits)
		return nil
	})
}
