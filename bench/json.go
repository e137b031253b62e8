package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// What a report is as JSON, with all that its figures are made of.
type (
	reportJSON struct {
		Family  string      `json:"family"`
		Machine string      `json:"machine"`
		Started time.Time   `json:"started"`
		LeftOut []string    `json:"left_out,omitempty"`
		Tables  []tableJSON `json:"tables"`
	}
	tableJSON struct {
		Title    string    `json:"title"`
		Unit     string    `json:"unit"`
		Baseline string    `json:"baseline,omitempty"`
		Rows     []rowJSON `json:"rows"`
	}
	rowJSON struct {
		Name string `json:"name"`
		spread
		Ratio  *spread    `json:"ratio,omitempty"` // to the table's baseline
		Goals  []goalJSON `json:"targets,omitempty"`
		Rounds []float64  `json:"rounds"`
	}
	goalJSON struct {
		Target  string `json:"target"`
		Against string `json:"against,omitempty"` // the row that it is a ratio to
		Got     spread `json:"got"`
		Reached bool   `json:"reached"`
	}
)

func (r *report) json() reportJSON {
	j := reportJSON{Family: r.family, Machine: r.machine, Started: r.started, LeftOut: r.notes}
	for _, t := range r.tables {
		tj := tableJSON{Title: t.title, Unit: t.unit, Baseline: t.baseline}
		for _, r := range t.rows {
			tj.Rows = append(tj.Rows, t.rowJSON(r))
		}
		j.Tables = append(j.Tables, tj)
	}
	return j
}

func (t *table) rowJSON(r *row) rowJSON {
	j := rowJSON{Name: r.name, spread: spreadOf(r.rounds), Rounds: r.rounds}
	if s, ok := t.ratio(r, t.baseline); ok {
		j.Ratio = &s
	}
	for _, g := range r.goals {
		if got, reached, ok := t.judge(r, g); ok {
			j.Goals = append(j.Goals, goalJSON{g.text(t.unit), g.against, got, reached})
		}
	}
	return j
}

// write writes the report to FAMILY.json and FAMILY.svg.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r.json(), "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, r.family+".json"), append(text, '\n'), 0o666); err != nil {
		return err
	}
	return r.plot(filepath.Join(dir, r.family+".svg"))
}
