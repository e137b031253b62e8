package fault

import "sync"

// AtFirst calls do ahead of the first operation of a kind.
func AtFirst(op Op, do func()) *Plan {
	var first sync.Once
	return &Plan{Before: func(o Op, _ string) error {
		if o == op {
			first.Do(do)
		}
		return nil
	}}
}
