package filelock

import (
	"slices"
	"sync"
)

// waitsFor guards Owner.waits, and is held while cycles are looked for, so that
// of the waits that make up a cycle the last one finds it. It is taken before
// all other locks.
var waitsFor sync.Mutex

// Who waits for whom is known as far as it happens within this process. A wait
// is for the tenures that are in its way, and a tenure for the waits that it
// cannot end before. A wait that has a limit ends by itself, so it is no part of
// a cycle.

// endsAfter reports whether t cannot end before w's wait does: w was called
// under t, or by the owner of t, who has it by an Acquire. Of a Do that runs in
// another goroutine, the owner's wait here says nothing; nor does the shared
// owner's, which is everybody's.
func (t *tenure) endsAfter(w *waiter) bool {
	if t.owner != w.owner {
		return false
	}
	if !t.scoped && t.owner != everyone && t.owner.matches() {
		return true
	}
	return w.context.inside(func(other *tenure) bool { return other == t }) != nil
}

// waitBegins notes that w waits without a limit, until waitEnds. It fails with
// [ErrDeadlock] if that closes a cycle, and then notes nothing.
func (w *waiter) waitBegins() error {
	waitsFor.Lock()
	defer waitsFor.Unlock()
	if w.inCycle() {
		return ErrDeadlock
	}
	w.owner.waits = append(w.owner.waits, w)
	return nil
}

func (w *waiter) waitEnds() {
	waitsFor.Lock()
	defer waitsFor.Unlock()
	if i := slices.Index(w.owner.waits, w); i >= 0 {
		w.owner.waits = slices.Delete(w.owner.waits, i, i+1)
	}
}

// inCycle reports whether w waits for its own end.
func (w *waiter) inCycle() bool {
	if w.owner.count.Load() == 0 {
		return false // nobody waits for who has nothing
	}
	return w.leadsTo(w, map[*waiter]bool{w: true})
}

func (w *waiter) leadsTo(goal *waiter, seen map[*waiter]bool) bool {
	for _, t := range w.blockers() {
		if t.endsAfter(goal) {
			return true
		}
		for _, next := range t.owner.waits {
			if seen[next] || !t.endsAfter(next) {
				continue
			}
			seen[next] = true
			if next.leadsTo(goal, seen) {
				return true
			}
		}
	}
	return false
}

// blockers returns the tenures in this process that w waits for, be it by
// another name of the lock.
func (w *waiter) blockers() []*tenure {
	tenures, behind := w.queue.blockers(w)
	if tenures == nil && behind != nil {
		return tenuresOf(behind)
	}
	return tenures
}

func (q *queue) blockers(w *waiter) (tenures []*tenure, behind any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiters, w)
	if i < 0 {
		return nil, nil // it waits no longer
	}
	if q.grant != nil && q.shared && w.shared {
		// It only has to wait for those ahead who want it exclusively.
		if !slices.ContainsFunc(q.waiters[:i], func(w *waiter) bool { return !w.shared && w.unlimited }) {
			return nil, nil
		}
	}
	for _, t := range q.tenures {
		if t.goesOn() {
			tenures = append(tenures, t)
		}
	}
	return tenures, q.behind
}

// tenuresOf returns the tenures that have the lock of that identity, by whatever
// name.
func tenuresOf(id any) (tenures []*tenure) {
	for _, q := range allQueues() {
		q.mu.Lock()
		if g, ok := q.grant.(IdentifiedGrant); ok && g.Identity() == id {
			for _, t := range q.tenures {
				if t.goesOn() {
					tenures = append(tenures, t)
				}
			}
		}
		q.mu.Unlock()
		q.drop()
	}
	return tenures
}

// standsBehind notes which lock it is that w, which has the turn, has been
// refused. It fails with [ErrDeadlock] if w waits for itself. That is so if its
// owner has the lock by another name, even if the wait has a limit.
func (q *queue) standsBehind(id any, w *waiter) error {
	q.mu.Lock()
	q.behind = id
	q.mu.Unlock()
	if w.owner.count.Load() > 0 && slices.ContainsFunc(tenuresOf(id), func(t *tenure) bool { return t.endsAfter(w) }) {
		return ErrDeadlock
	}
	return q.breakCycles()
}

// breakCycles tells those waiters of q who wait for themselves, now that more is
// known of what is in their way; the one that has the turn by the error.
func (q *queue) breakCycles() (err error) {
	q.mu.Lock()
	waiters := slices.Clone(q.waiters)
	q.mu.Unlock()

	waitsFor.Lock()
	defer waitsFor.Unlock()
	for _, w := range waiters {
		if !slices.Contains(w.owner.waits, w) || !w.inCycle() {
			continue
		}
		q.mu.Lock()
		switch {
		case w == q.talker:
			err = ErrDeadlock
		case w.verdict.outcome == pending:
			q.settle(w, verdict{outcome: refused, err: ErrDeadlock})
			q.advance()
		}
		q.mu.Unlock()
	}
	return err
}
