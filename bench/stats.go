package main

import (
	"math/bits"
	"slices"
	"time"
)

// A spread is a median with its quartiles.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{quantile(sorted, 0.5), quantile(sorted, 0.25), quantile(sorted, 0.75)}
}

// quantile interpolates between the two values that are next to it.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// ratios divides round by round. A round without a base has no ratio.
func ratios(values, base []float64) (all []float64) {
	for i := range min(len(values), len(base)) {
		if base[i] != 0 {
			all = append(all, values[i]/base[i])
		}
	}
	return all
}

// A histogram counts durations without allocating: exactly below 64 ns, and
// above in buckets that are at most a 32nd wide.
type histogram struct {
	Counts  [59 << fineBits]uint32 `json:"counts"`
	Longest time.Duration          `json:"longest"`
}

const fineBits = 5

func (h *histogram) add(d time.Duration) {
	h.Longest = max(h.Longest, d)
	ns := uint64(max(d, 0))
	coarse := max(0, bits.Len64(ns)-fineBits-1)
	h.Counts[coarse<<fineBits+int(ns>>coarse)]++
}

func (h *histogram) merge(other *histogram) {
	h.Longest = max(h.Longest, other.Longest)
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
}

// quantile returns the middle of the bucket where the quantile lies.
func (h *histogram) quantile(q float64) time.Duration {
	var total, seen uint64
	for _, n := range h.Counts {
		total += uint64(n)
	}
	for i, n := range h.Counts {
		if seen += uint64(n); n > 0 && float64(seen) >= q*float64(total) {
			coarse := max(0, i>>fineBits-1)
			low := uint64(i-coarse<<fineBits) << coarse
			return min(time.Duration(low+1<<coarse/2), h.Longest)
		}
	}
	return 0
}
