package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// targets prints, of several runs whose reports are in dirs, what became of each
// target, as rows of Markdown: the median of the runs' medians, and the lowest
// and the highest of them.
func targets(dirs []string, stdout io.Writer) error {
	if len(dirs) == 0 {
		return errors.New("targets: of which runs? (their directories)")
	}
	fmt.Fprintf(stdout, "| what | beside | median of %d runs (lowest–highest) | target | |\n|---|---|---|---|---|\n", len(dirs))
	for _, f := range families {
		var runs []reportJSON
		for _, dir := range dirs {
			var r reportJSON
			text, err := os.ReadFile(filepath.Join(dir, f.name+".json"))
			if err == nil {
				err = json.Unmarshal(text, &r)
			}
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
		for _, o := range outcomes(runs) {
			fmt.Fprintln(stdout, o)
		}
	}
	return nil
}

// An outcome is what became of a target in several runs.
type outcome struct {
	title, row string
	goal       goalJSON
	medians    []float64
	reached    int
}

// outcomes matches the targets of the runs, in the order of the first.
func outcomes(runs []reportJSON) (all []outcome) {
	for i, run := range runs {
		for _, t := range run.Tables {
			for _, r := range t.Rows {
				for _, g := range r.Goals {
					at := slices.IndexFunc(all, func(o outcome) bool {
						return o.title == t.Title && o.row == r.Name && o.goal.Target == g.Target && o.goal.Against == g.Against
					})
					if at < 0 && i == 0 {
						at = len(all)
						all = append(all, outcome{title: t.Title, row: r.Name, goal: g})
					}
					if at >= 0 {
						all[at].medians = append(all[at].medians, g.Got.Median)
						if g.Reached {
							all[at].reached++
						}
					}
				}
			}
		}
	}
	return all
}

// String is a row of the table.
func (o outcome) String() string {
	verdict := fmt.Sprintf("in %d of %d", o.reached, len(o.medians))
	switch o.reached {
	case 0:
		verdict = "missed"
	case len(o.medians):
		verdict = "reached"
	}
	beside := o.goal.Against
	if beside == "" {
		beside = "–"
	}
	return fmt.Sprintf("| %s: %s | %s | %.3g (%.3g–%.3g) | %s | %s |", o.title, o.row, beside,
		quantile(slices.Sorted(slices.Values(o.medians)), 0.5), slices.Min(o.medians), slices.Max(o.medians), o.goal.Target, verdict)
}
