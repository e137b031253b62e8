package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is what a run of a family has found out.
type report struct {
	family  string
	machine string
	started time.Time
	notes   []string // what was left out, and why
	tables  []*table
}

// A table compares candidates in one respect.
type table struct {
	title, unit string
	baseline    string // the row that others are divided by; "": none
	rows        []*row
}

// A row is one candidate.
type row struct {
	name   string
	rounds []float64
	goals  []goal
}

// A goal bounds a row's median, or that of its ratio to another row.
type goal struct {
	against string // "": the value itself
	least   bool   // otherwise it is the most
	bound   float64
}

func atMost(bound float64, against string) goal  { return goal{against, false, bound} }
func atLeast(bound float64, against string) goal { return goal{against, true, bound} }

func (b *bench) note(format string, args ...any) {
	b.report.notes = append(b.report.notes, fmt.Sprintf(format, args...))
}

func (b *bench) table(title, unit, baseline string) *table {
	t := &table{title: title, unit: unit, baseline: baseline}
	b.report.tables = append(b.report.tables, t)
	return t
}

func (t *table) row(name string, goals ...goal) *row {
	r := &row{name: name, goals: goals}
	t.rows = append(t.rows, r)
	return r
}

// add adds the value of one more round.
func (r *row) add(v float64) { r.rounds = append(r.rounds, v) }

// ratio returns r's ratio to the row of that name, if both have been measured.
func (t *table) ratio(r *row, to string) (spread, bool) {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.name == to })
	if i < 0 {
		return spread{}, false
	}
	all := ratios(r.rounds, t.rows[i].rounds)
	return spreadOf(all), len(all) > 0
}

// judge returns what the goal bounds, and whether it is reached. A goal against
// somebody who was left out is none.
func (t *table) judge(r *row, g goal) (got spread, reached, ok bool) {
	got, ok = spreadOf(r.rounds), true
	if g.against != "" {
		got, ok = t.ratio(r, g.against)
	}
	if g.least {
		return got, got.Median >= g.bound, ok
	}
	return got, got.Median <= g.bound, ok
}

// text says what the goal is.
func (g goal) text(unit string) string {
	sign, bound := "≤", fmt.Sprint(g.bound)
	if g.least {
		sign = "≥"
	}
	if n := math.Round(1 / g.bound); g.bound < 0.25 && math.Abs(n*g.bound-1) < 1e-9 {
		bound = fmt.Sprintf("1/%.0f", n)
	}
	if g.against != "" {
		unit = "×"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", sign, bound, unit))
}

func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "== %s (%s)\n", r.family, r.machine)
	for _, n := range r.notes {
		fmt.Fprintf(w, "left out: %s\n", n)
	}
	for _, t := range r.tables {
		fmt.Fprintf(w, "\n%s\n", t.title)
		var text strings.Builder
		columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		t.print(columns)
		columns.Flush()
		for line := range strings.Lines(text.String()) {
			fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (t *table) print(w io.Writer) {
	ratio := ""
	if t.baseline != "" {
		ratio = "× " + t.baseline
	}
	fmt.Fprintf(w, "\t%s\tquartiles\t%s\ttarget\n", t.unit, ratio)
	for _, r := range t.rows {
		s := spreadOf(r.rounds)
		fmt.Fprintf(w, "%s\t%s\t%s\t", r.name, short(s.Median), r.quartiles(s))
		t.printRatios(w, r)
	}
}

// printRatios ends a row: with its ratio to the baseline, and in lines of their
// own those to others that have a target.
func (t *table) printRatios(w io.Writer, r *row) {
	type line struct{ ratio, verdict string }
	lines := make([]line, 1)
	if s, ok := t.ratio(r, t.baseline); ok && r.name != t.baseline {
		lines[0].ratio = r.withQuartiles(s)
	}
	for _, g := range r.goals {
		got, reached, ok := t.judge(r, g)
		if !ok {
			continue
		}
		verdict := g.text(t.unit) + map[bool]string{true: " reached", false: " MISSED"}[reached]
		if g.against == "" || g.against == t.baseline {
			lines[0].verdict = verdict
			continue
		}
		lines = append(lines, line{r.withQuartiles(got) + " × " + g.against, verdict})
	}
	for i, l := range lines {
		if i > 0 {
			fmt.Fprint(w, "\t\t\t")
		}
		fmt.Fprintf(w, "%s\t%s\n", l.ratio, l.verdict)
	}
}

func (r *row) withQuartiles(s spread) string {
	if q := r.quartiles(s); q != "" {
		return fmt.Sprintf("%s (%s)", short(s.Median), q)
	}
	return short(s.Median)
}

// quartiles is empty where there is only one value.
func (r *row) quartiles(s spread) string {
	if len(r.rounds) < 2 {
		return ""
	}
	return short(s.Low) + "–" + short(s.High)
}

// short has three digits that matter, and never an exponent.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == math.Trunc(a):
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
