package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReportSaysWhatIsReached(t *testing.T) {
	b := new(bench)
	b.report.family, b.report.machine = "example", "a machine"
	b.note("a peer (not installed)")
	table := b.table("a title", "µs", "base")
	own := table.row("FileLock", atMost(0.6, "base"), atMost(1.0/15, "other"), atMost(2, "a peer"))
	base, other := table.row("base"), table.row("other", atLeast(50, ""))
	for i := range 5 {
		machine := float64(i + 1) // it gets slower, which changes no ratio
		own.add(2 * machine)
		base.add(4 * machine)
		other.add(20 * machine)
	}
	var got strings.Builder
	if err := b.report.print(&got); err != nil {
		t.Fatal(err)
	}
	const want = `== example (a machine)
left out: a peer (not installed)

a title
          µs  quartiles  × base                       target
FileLock  6   4–8        0.500 (0.500–0.500)          ≤ 0.6 × reached
                         0.100 (0.100–0.100) × other  ≤ 1/15 × MISSED
base      12  8–16
other     60  40–80      5 (5–5)                      ≥ 50 µs reached

`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	got := ratios([]float64{1, 20, 5, 7}, []float64{2, 10, 0})
	if want := []float64{0.5, 2}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSpreadInterpolates(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1, 3, 2}, spread{2.5, 1.75, 3.25}},
		{[]float64{5, 1, 3, 2, 4}, spread{3, 2, 4}},
	} {
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("of %v: got %v, want %v", test.values, got, test.want)
		}
	}
}

func TestHistogramIsOffByA64thAtMost(t *testing.T) {
	for range 10_000 {
		d := time.Duration(rand.Int64() >> rand.IntN(63))
		var h histogram
		h.add(d)
		h.Longest = 1<<63 - 1
		if got := h.quantile(0.5); (got - d).Abs() > d/64+1 {
			t.Fatalf("%d became %d", d, got)
		}
	}
}

func TestHistogramFindsQuantiles(t *testing.T) {
	var a, b, sum histogram
	for i := range 60 {
		a.add(time.Duration(i))
	}
	b.add(time.Hour)
	sum.merge(&a)
	sum.merge(&b)
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 30, 0.98: 59, 1: time.Hour} {
		if got := sum.quantile(q); got != want && (want != time.Hour || got < want*63/64 || got > want) {
			t.Errorf("quantile %v: got %d, want %d", q, got, want)
		}
	}
}

// TestOutcomesCompareRuns has one run miss a target that another reaches.
func TestOutcomesCompareRuns(t *testing.T) {
	run := func(got float64, reached bool) reportJSON {
		goal := goalJSON{Target: "≤ 1 ×", Against: "b", Got: spread{Median: got}, Reached: reached}
		return reportJSON{Tables: []tableJSON{{Title: "t", Rows: []rowJSON{{Name: "a", Goals: []goalJSON{goal}}}}}}
	}
	all := outcomes([]reportJSON{run(0.5, true), run(2, false), run(0.75, true)})
	const want = "| t: a | b | 0.75 (0.5–2) | ≤ 1 × | in 2 of 3 |"
	if len(all) != 1 || all[0].String() != want {
		t.Errorf("%v, want %s", all, want)
	}
}
