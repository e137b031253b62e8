package filesystems

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

const page = "../../docs/guarantees.md"

var writePage = flag.Bool("write", false, "write what is measured into "+page)

// TestGuaranteesSayWhatIsMeasured has two processes want each kind of lock in
// each place, kills the one that has it, and compares what comes of it with the
// page. Where a lock cannot be had nothing is left of the attempt, and it can as
// soon as there is room again.
func TestGuaranteesSayWhatIsMeasured(t *testing.T) {
	t.Parallel()
	needGround(t)
	tab := &table{cells: map[cell]string{}}
	all := places()
	inAll(t, all, tab.measure)
	if t.Failed() {
		return
	}
	if tab.places != len(all) {
		t.Skipf("of %d places %d could not be measured", len(all), len(all)-tab.places)
	}
	measured := tab.render(all[:len(beds)], usages) + "\n" + tab.render(all[len(beds):], usages)
	comparePage(t, "test/filesystems", measured)
}

// comparePage compares what was measured with what the page says of it, or writes
// it there.
func comparePage(t *testing.T, by, measured string) {
	begin, end := "<!-- measured by "+by+" -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	must(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	written, after, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Errorf("%s has no lines %q and %q", page, begin, end)
	case *writePage:
		write(t, page, before+begin+measured+end+after)
	case written != measured:
		t.Errorf("%s does not say what was measured (with -args -write it is written there):\n%s", page, measured)
	}
}

// A cell is a place in a table.
type cell struct{ usage, place string }

// A table is what was measured.
type table struct {
	mu     sync.Mutex // guards all
	cells  map[cell]string
	places int
}

// measure measures all usages in one place.
func (tab *table) measure(t *testing.T, p place) {
	dir := p.make(t, func(dir string) {
		for _, u := range usages {
			u.prepare(t, dir)
		}
	})
	var failed []usage
	for _, u := range usages {
		if p.spend != nil {
			p.spend(t, dir)
		}
		got := u.measure(t, dir)
		tab.mu.Lock()
		tab.cells[cell{u.name, p.name}] = got
		tab.mu.Unlock()
		if strings.HasPrefix(got, "E") {
			failed = append(failed, u)
		}
	}
	if p.spend != nil {
		giveBack(t, dir)
		for _, u := range failed {
			if got := u.measure(t, dir); got != excludes {
				t.Errorf("%s: when there is room again: %s", u.name, got)
			}
		}
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.places++
}

// render writes the cells of some places in Markdown.
func (tab *table) render(places []place, usages []usage) string {
	var b strings.Builder
	row := func(first string, cells func(p place) string) {
		fmt.Fprintf(&b, "| %s |", first)
		for _, p := range places {
			fmt.Fprintf(&b, " %s |", cells(p))
		}
		b.WriteByte('\n')
	}
	row("", func(p place) string { return p.name })
	b.WriteString("|---|" + strings.Repeat("---|", len(places)) + "\n")
	for _, u := range usages {
		row(u.name, func(p place) string { return tab.cells[cell{u.name, p.name}] })
	}
	return b.String()
}
