package filelock

import "sync"

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
	for i, p := range o.waits {
		if p == q {
			o.waits = append(o.waits[:i], o.waits[i+1:]...)
			return
		}
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

// standsBehind notes that the lock of q is the one with that identity, and that
// somebody has it. It fails with [ErrDeadlock] where that is the owner of w,
// which has the turn. Others in the queue for whom that closes a cycle are told
// so.
func (q *queue) standsBehind(id any, w *waiter) error {
	owners := holdersByIdentity(id)
	if len(owners) == 0 {
		return nil
	}
	for _, o := range owners {
		if o == w.owner && o.matches() {
			return ErrDeadlock
		}
	}
	q.mu.Lock()
	q.behind = id
	others := append([]*waiter(nil), q.waiters...)
	q.mu.Unlock()

	waitsFor.Lock()
	defer waitsFor.Unlock()
	for _, other := range others {
		if other != w && other.unlimited && q.leadsTo(other.owner, map[*queue]bool{}) {
			q.mu.Lock()
			if other.verdict.outcome == pending {
				q.settle(other, verdict{outcome: refused, err: ErrDeadlock})
			}
			q.mu.Unlock()
		}
	}
	return nil
}
