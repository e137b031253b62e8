package filelock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// table holds the queues of all locks that this process has or awaits. It is
// the only state of the package that outlives a call, and what keeps a hold
// that nobody refers to.
var table = struct {
	sync.Mutex // guards queues, and refs in each of them; taken under no other lock but waitsFor
	queues     map[string]*queue
}{queues: map[string]*queue{}}

// A queue is one physical lock as this process sees it: who has it here, and
// who waits for it, first come first served. Only the head of the queue talks
// to the backend, so a process never competes with itself.
type queue struct {
	key  string
	refs int // waiters, tenures and debts

	mu      sync.Mutex // never held while a backend works or a context is waited for
	grant   Grant      // nil while this process does not have the lock
	shared  bool       // how it has it
	loss    *loss
	tenures []*tenure // those who share it
	debts   []Grant   // whose release failed, with nobody left to repeat it
	waiters []*waiter
	talker  *waiter // the waiter that asks the backend; nil while there is none
	refused bool    // it was told that somebody else has the lock, and waits
	behind  any     // what it waits for, by another name of the same lock; see Identifier
}

// A waiter is an acquisition under way.
type waiter struct {
	lock      *core
	owner     *Owner
	shared    bool
	try       bool // takes a refusal for an answer
	unlimited bool // waits for as long as it takes
	verdict   verdict
	ready     chan struct{} // tells of a verdict; made when somebody waits for it
}

type outcome int

const (
	pending outcome = iota
	turn            // ask the backend
	entered         // it has the lock
	refused
)

type verdict struct {
	outcome outcome
	tenure  *tenure
	nested  bool // has a hold more of a tenure that went on
	err     error
}

// queueFor returns the queue of key, with a reference that drop gives back.
func queueFor(key string) *queue {
	table.Lock()
	defer table.Unlock()
	q := table.queues[key]
	if q == nil {
		q = &queue{key: key}
		table.queues[key] = q
	}
	q.refs++
	return q
}

// existingQueue is queueFor, but returns nil where there is none.
func existingQueue(key string) *queue {
	table.Lock()
	defer table.Unlock()
	q := table.queues[key]
	if q != nil {
		q.refs++
	}
	return q
}

// allQueues returns all queues, with a reference to each.
func allQueues() []*queue {
	table.Lock()
	defer table.Unlock()
	all := make([]*queue, 0, len(table.queues))
	for _, q := range table.queues {
		q.refs++
		all = append(all, q)
	}
	return all
}

func (q *queue) drop() {
	table.Lock()
	defer table.Unlock()
	if q.refs--; q.refs == 0 {
		delete(table.queues, q.key)
	}
}

// push lets w join the queue and returns its verdict, which may be pending:
// then w.ready tells when it no longer is.
func (q *queue) push(w *waiter) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiters = append(q.waiters, w)
	q.advance()
	if w.verdict.outcome == pending {
		w.ready = make(chan struct{}, 1)
	}
	return w.verdict
}

// verdictOf returns what has become of w.
func (q *queue) verdictOf(w *waiter) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	return w.verdict
}

// leave takes w out of the queue, wherever it is, and returns its verdict: it
// may have got the lock, or the turn, in the last instant. The turn passes to
// the next.
func (q *queue) leave(w *waiter) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	v := w.verdict
	q.remove(w)
	q.advance()
	return v
}

func (q *queue) remove(w *waiter) {
	if i := slices.Index(q.waiters, w); i >= 0 {
		q.waiters = slices.Delete(q.waiters, i, i+1)
	}
	if q.talker == w {
		q.talker, q.refused, q.behind = nil, false, nil
	}
}

// settle gives w its verdict. All but a turn end its time in the queue.
func (q *queue) settle(w *waiter, v verdict) {
	w.verdict = v
	if v.outcome != turn {
		q.remove(w)
	}
	if w.ready != nil {
		w.ready <- struct{}{} // has room: a waiter gets one turn and one last verdict
	}
}

// advance gives every waiter the verdict that it can be given. It is called
// under q.mu after every change.
func (q *queue) advance() {
	if q.grant != nil && q.ending() {
		return // in a moment it is known whether that succeeds
	}
	if q.grant == nil {
		if q.talker == nil && len(q.waiters) > 0 {
			q.talker = q.waiters[0]
			q.settle(q.talker, verdict{outcome: turn})
		}
		if q.refused {
			q.refuseTries()
		}
		return
	}
	for i := 0; i < len(q.waiters); {
		w := q.waiters[i]
		t := q.tenureOf(w.owner)
		if t == nil {
			i++
			continue
		}
		q.settle(w, t.nest(w)) // wherever it stands: its owner may be waiting for it
	}
	for len(q.waiters) > 0 && q.shared && q.waiters[0].shared {
		// In turn: behind somebody who wants it exclusively, readers wait too.
		w := q.waiters[0]
		q.settle(w, verdict{outcome: entered, tenure: q.begin(w)})
	}
	q.refuseTries()
}

// ending reports whether all who have the lock are about to give it back.
func (q *queue) ending() bool {
	return !slices.ContainsFunc(q.tenures, func(t *tenure) bool { return t.depth.Load() > 0 })
}

func (q *queue) refuseTries() {
	for i := 0; i < len(q.waiters); {
		w := q.waiters[i]
		if !w.try || w == q.talker {
			i++
			continue
		}
		q.settle(w, verdict{outcome: refused, err: ErrLocked})
	}
}

// nest adds a hold for w, whose owner t is.
func (t *tenure) nest(w *waiter) verdict {
	switch {
	case w.lock.set.noNesting:
		return verdict{outcome: refused, err: ErrLocked}
	case t.shared && !w.shared:
		return verdict{outcome: refused, err: ErrUpgrade}
	case t.loss != nil && t.loss.hasHappened():
		return verdict{outcome: refused, err: ErrLost}
	case !t.enter():
		return verdict{outcome: refused, err: ErrLocked} // ending; advance has seen to it that others go on
	}
	return verdict{outcome: entered, tenure: t, nested: true}
}

// tenureOf is ownTenure, under q.mu.
func (q *queue) tenureOf(o *Owner) *tenure {
	if !o.matches() {
		return nil
	}
	for _, t := range q.tenures {
		if t.owner == o && t.depth.Load() > 0 {
			return t
		}
	}
	return nil
}

// ownTenure returns the tenure of o, if one goes on.
func (q *queue) ownTenure(o *Owner) *tenure {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tenureOf(o)
}

func (q *queue) allTenures() []*tenure {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.tenures)
}

// begin makes a tenure for w of the grant at hand.
func (q *queue) begin(w *waiter) *tenure {
	t := &tenure{queue: q, lock: w.lock, owner: w.owner, shared: q.shared, since: time.Now(), loss: q.loss}
	t.depth.Store(1)
	q.tenures = append(q.tenures, t)
	t.owner.tenureBegins()
	return t
}

// refuse notes that the backend has told w, whose turn it is, that somebody
// else has the lock, and that w goes on waiting for it.
func (q *queue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = true
	q.advance()
}

// take makes w, whose turn it is, the first to have the grant.
func (q *queue) take(w *waiter, g Grant) *tenure {
	var l *loss
	if losable, ok := g.(Losable); ok {
		l = newLoss()
		losable.OnLoss(func() {
			w.lock.log(context.Background(), "lost")
			l.happen()
		})
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grant, q.shared, q.loss = g, w.shared, l
	t := q.begin(w)
	q.settle(w, verdict{outcome: entered, tenure: t})
	q.advance()
	return t
}

// giveBack ends t, whose last hold has been left, and with the last tenure
// releases the grant. Where that fails, t goes on, or the queue without it,
// as the resort says. It reports whether t has ended.
func (q *queue) giveBack(t *tenure, last resort) (ended bool, err error) {
	q.mu.Lock()
	if len(q.tenures) > 1 {
		q.end(t)
		q.advance()
		q.mu.Unlock()
		q.drop()
		t.lock.log(context.Background(), "released")
		return true, nil
	}
	g := q.grant
	q.mu.Unlock()

	// Nobody else comes this far: t is the only tenure, and has no hold.
	err = g.Release(context.Background())
	var debt Grant
	switch {
	case isOver(err):
	case last == retry:
		t.depth.Store(1)
		q.mu.Lock()
		q.advance()
		q.mu.Unlock()
		return false, err
	default:
		if a, ok := g.(Abandoner); ok {
			err = errors.Join(err, a.Abandon())
		} else {
			debt = g
		}
	}
	if t.loss != nil && t.loss.hasHappened() && !errors.Is(err, ErrLost) {
		err = errors.Join(ErrLost, err)
	}
	q.mu.Lock()
	q.end(t)
	q.grant, q.loss = nil, nil
	if debt != nil {
		q.debts = append(q.debts, debt)
	}
	q.advance()
	q.mu.Unlock()
	if debt == nil {
		q.drop()
	}
	t.lock.log(context.Background(), "released")
	return true, err
}

// isOver reports whether a grant whose Release returned err is gone.
func isOver(err error) bool {
	return err == nil || errors.Is(err, ErrLost) || errors.As(err, new(*released))
}

func (q *queue) end(t *tenure) {
	if i := slices.Index(q.tenures, t); i >= 0 {
		q.tenures = slices.Delete(q.tenures, i, i+1)
	}
	t.owner.tenureEnds()
}

// settleDebts tries once more what nobody is left to try. It is called by
// whoever has the turn, or has no business with the lock.
func (q *queue) settleDebts() error {
	q.mu.Lock()
	debts := q.debts
	q.debts = nil
	q.mu.Unlock()
	var errs []error
	for _, g := range debts {
		err := g.Release(context.Background())
		if !isOver(err) {
			errs = append(errs, err)
			q.mu.Lock()
			q.debts = append(q.debts, g)
			q.mu.Unlock()
			continue
		}
		q.drop()
	}
	return errors.Join(errs...)
}

// grantOf returns the grant that t has, nil if t has ended.
func (q *queue) grantOf(t *tenure) Grant {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.Contains(q.tenures, t) {
		return q.grant
	}
	return nil
}

// holders describes all in this process who have the lock.
func (q *queue) holders() (all []Holder, shared bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.tenures {
		all = append(all, t.holder())
	}
	return all, q.shared
}

// position counts who of this process comes before w.
func (q *queue) position(w *waiter) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, slices.Index(q.waiters, w))
}
