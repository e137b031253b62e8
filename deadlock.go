package filelock

import (
	"slices"
	"sync"
)

// waitsFor guards Owner.waits, and is held while cycles are looked for, so that
// of the waits that make up a cycle the last one finds it. It is taken before
// all other locks.
var waitsFor sync.Mutex

// Who waits for whom is known as far as it happens within this process: a
// waiter waits for the owners that have its lock. Those ahead of it in the
// queue wait for the same owners, so they add nothing. An owner that waits with
// a limit will wait no longer some day, so only waits without one are edges.
//
// An owner counts as one, even if it has several goroutines of which another
// could release what the cycle is about. Only the shared owner, which is
// everybody, is never part of a cycle.

// waitBegins notes that o waits for q without a limit, until waitEnds. It fails
// with [ErrDeadlock] if that closes a cycle.
func (q *queue) waitBegins(o *Owner) error {
	if o == everyone {
		return nil
	}
	waitsFor.Lock()
	defer waitsFor.Unlock()
	if q.leadsTo(o, map[*queue]bool{}) {
		return ErrDeadlock
	}
	o.waits = append(o.waits, q)
	return nil
}

func (q *queue) waitEnds(o *Owner) {
	if o == everyone {
		return
	}
	waitsFor.Lock()
	defer waitsFor.Unlock()
	if i := slices.Index(o.waits, q); i >= 0 {
		o.waits = slices.Delete(o.waits, i, i+1)
	}
}

// leadsTo reports whether whoever waits for q waits for o, directly or through
// others who wait.
func (q *queue) leadsTo(o *Owner, seen map[*queue]bool) bool {
	if seen[q] {
		return false
	}
	seen[q] = true
	for _, p := range q.blockers() {
		if p == everyone {
			continue
		}
		if p == o {
			return o.matches()
		}
		for _, next := range p.waits {
			if next.leadsTo(o, seen) {
				return true
			}
		}
	}
	return false
}

// blockers returns the owners in this process that have the lock of q, be it by
// another name.
func (q *queue) blockers() []*Owner {
	owners, behind := q.owners()
	if len(owners) == 0 && behind != nil {
		return holdersByIdentity(behind)
	}
	return owners
}

func (q *queue) owners() (owners []*Owner, behind any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.tenures {
		owners = append(owners, t.owner)
	}
	return owners, q.behind
}

// holdersByIdentity returns the owners that have the lock with that identity,
// under whatever name.
func holdersByIdentity(id any) (owners []*Owner) {
	for _, q := range allQueues() {
		q.mu.Lock()
		if g, ok := q.grant.(Identified); ok && g.Identity() == id {
			for _, t := range q.tenures {
				owners = append(owners, t.owner)
			}
		}
		q.mu.Unlock()
		q.drop()
	}
	return owners
}

// standsBehind notes that whoever has the turn in q has been refused, and that
// the lock is the one with the given identity. If somebody in this process has
// it, by another name, waiters of q for whom that closes a cycle are told so;
// w, which has the turn, by the error.
func (q *queue) standsBehind(id any, w *waiter) error {
	owners := holdersByIdentity(id)
	if len(owners) == 0 {
		return nil
	}
	if slices.Contains(owners, w.owner) && w.owner.matches() {
		return ErrDeadlock // even if the wait has a limit: it would be for oneself
	}
	q.mu.Lock()
	q.behind = id
	waiters := slices.Clone(q.waiters)
	q.mu.Unlock()

	waitsFor.Lock()
	defer waitsFor.Unlock()
	var err error
	for _, other := range waiters {
		if !other.unlimited || other.owner == everyone || !q.leadsTo(other.owner, map[*queue]bool{}) {
			continue
		}
		if other == w {
			err = ErrDeadlock
			continue
		}
		q.mu.Lock()
		if other.verdict.outcome == pending {
			q.settle(other, verdict{outcome: refused, err: ErrDeadlock})
		}
		q.mu.Unlock()
	}
	return err
}
