package main

import "time"

// waits are the tables of how long waits take.
type waits struct{ median, p99, longest *table }

func (b *bench) waits(title string) waits {
	return waits{
		b.table(title+": wait, median", "µs", gofrsLock),
		b.table(title+": wait, 99th percentile", "µs", gofrsLock),
		b.table(title+": wait, longest", "ms", gofrsLock),
	}
}

func (w waits) row(name string) {
	w.median.row(name)
	w.p99.row(name)
	w.longest.row(name)
}

// add adds the waits of one round to the i-th row.
func (w waits) add(i int, h *histogram) {
	w.median.rows[i].add(in(h.quantile(0.5), time.Microsecond))
	w.p99.rows[i].add(in(h.quantile(0.99), time.Microsecond))
	w.longest.rows[i].add(in(h.Longest, time.Millisecond))
}

func in(d, unit time.Duration) float64 { return float64(d) / float64(unit) }
