package wait

import "time"

// A Cleaner has something done in a while, and once however often that is asked
// for. Whoever has it guards it with a lock of its own.
type Cleaner struct{ due time.Duration }

// After has clean called after d, unless that has been arranged. The function
// calls Done.
func (c *Cleaner) After(d time.Duration, clean func()) {
	// A timer from within a testing/synctest bubble may end with it, unheard:
	// so an arrangement that is long overdue counts no more.
	now := uptime()
	if now < c.due {
		return
	}
	c.due = now + 2*d
	time.AfterFunc(d, clean)
}

// Done notes that it has been done.
func (c *Cleaner) Done() { c.due = 0 }
