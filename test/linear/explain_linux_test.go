package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// explain says how far an order was found: the end of the longest one, the state
// that it leads to, and what could not follow.
func (h *history) explain(info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	var s state
	done := map[*operation]bool{}
	for _, o := range longest {
		_, s = h.step(s, o.Input.(*operation))
		done[o.Input.(*operation)] = true
	}
	rest := slices.DeleteFunc(slices.Clone(h.all), func(o *operation) bool { return done[o] })
	slices.SortFunc(rest, func(a, b *operation) int { return int(a.Return - b.Return) })
	const some = 8
	var text strings.Builder
	fmt.Fprintf(&text, "an order of %d of %d operations ends with\n", len(longest), len(h.all))
	for _, o := range longest[max(0, len(longest)-some):] {
		o.Input.(*operation).tell(&text)
	}
	fmt.Fprintf(&text, "then it is %s, and none of these can follow\n", s)
	for _, o := range rest[:min(some, len(rest))] {
		o.tell(&text)
	}
	return text.String()
}

func (o *operation) tell(text *strings.Builder) {
	fmt.Fprintf(text, "\t%d/%d %s [%d, %d] %s\n", o.Process, o.Client, o, o.Call, o.Return, o.Error)
}
