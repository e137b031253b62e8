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
	sync.Mutex // guards queues, and refs in each of them; under it no other lock is taken
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
	loss    *loss
	renewal *renewal  // nil if it does not end by itself
	tenures []*tenure // those who share it
	shared  bool      // how this process has it
	// tenuresNew says that somebody who waits may have come to have the lock,
	// through another goroutine of the same owner.
	tenuresNew bool
	refused    bool // the talker was told that somebody else has the lock, and waits
	debts      []debt
	waiters    []*waiter
	tries      int     // how many of them take a refusal for an answer
	talker     *waiter // the waiter that asks the backend; nil while there is none
	behind     any     // what is locked then, by whatever name; see IdentifyingBackend
}

// A debt is a grant whose release failed when nobody was left to repeat it.
// Whoever has the turn next does so.
type debt struct {
	grant Grant
	lock  *core
}

// A waiter is an acquisition under way.
type waiter struct {
	queue     *queue
	lock      *core
	owner     *Owner
	context   *ownerContext // that it was called with
	slot      *tenure       // for its tenure, if it gets one
	shared    bool
	try       bool // takes a refusal for an answer
	interval  time.Duration
	unlimited bool // waits for as long as it takes
	verdict   verdict
	ready     chan struct{} // tells of a verdict; made when somebody waits for it
}

// request returns what the waiter asks the backend for, in one attempt.
func (w *waiter) request() Request {
	return Request{Key: w.queue.key, Shared: w.shared, NoWait: true, PollInterval: w.interval, Owner: w.owner.name}
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
	nested  bool // it has one more hold of a tenure that went on
	err     error
}

// queueFor returns the queue of key, with a reference that drop gives back. If
// there is none, a former one may do.
func queueFor(key string, former *queue) *queue {
	table.Lock()
	defer table.Unlock()
	q := table.queues[key]
	if q == nil {
		if q = former; q == nil || q.key != key {
			q = &queue{key: key}
		}
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
	w.queue = q
	q.waiters = append(q.waiters, w)
	w.owner.waiting.Add(1)
	if w.try {
		q.tries++
	}
	if q.grant != nil {
		q.admit(w)
	}
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
		w.owner.waiting.Add(-1)
		if w.try {
			q.tries--
		}
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
	q.admitAll()
	if q.ending() {
		return // in a moment it is known whether that succeeds
	}
	// In turn: behind somebody who wants it exclusively, readers wait too.
	for len(q.waiters) > 0 && q.shared && q.loss.err() == nil {
		w := q.waiters[0]
		switch {
		case w.shared:
			q.settle(w, verdict{outcome: entered, tenure: q.begin(w)})
			continue
		case w.try:
			q.settle(w, verdict{outcome: refused, err: ErrLocked})
			continue
		}
		break
	}
	q.admitAll()
	q.refuseTries()
}

// admitAll admits those who wait, if one of them may have come to have the lock.
func (q *queue) admitAll() {
	if !q.tenuresNew {
		return
	}
	q.tenuresNew = false
	for _, w := range slices.Clone(q.waiters) {
		q.admit(w)
	}
}

// admit lets w nest, wherever it stands, if its owner has the lock: the owner may
// be waiting for it.
func (q *queue) admit(w *waiter) {
	if t := q.tenureOf(w); t != nil {
		if v := t.nest(w); v.outcome != pending { // t may just be being given back
			q.settle(w, v)
		}
	}
}

// ending reports whether all who have the lock are about to give it back.
func (q *queue) ending() bool { return !slices.ContainsFunc(q.tenures, (*tenure).goesOn) }

func (q *queue) refuseTries() {
	if q.tries == 0 {
		return
	}
	for i := 0; i < len(q.waiters); {
		w := q.waiters[i]
		if !w.try || w == q.talker {
			i++
			continue
		}
		q.settle(w, verdict{outcome: refused, err: ErrLocked})
	}
}

// nest adds a hold of t for w, unless t is being given back.
func (t *tenure) nest(w *waiter) verdict {
	if err := t.permits(w.lock, w.shared); err != nil {
		return verdict{outcome: refused, err: err}
	}
	if !t.enter() {
		return verdict{outcome: pending}
	}
	return verdict{outcome: entered, tenure: t, nested: true}
}

// permits reports why its owner may not nest in t.
func (t *tenure) permits(l *core, shared bool) error {
	switch {
	case l.set.noNesting:
		return ErrLocked
	case t.shared && !shared:
		return ErrUpgrade
	}
	return t.loss.err()
}

// tenureOf returns the tenure that w nests in: the one that it was called under,
// or that of its owner.
func (q *queue) tenureOf(w *waiter) *tenure {
	t := q.ownTenure(w.context, w.owner)
	if t == nil || !t.goesOn() {
		return nil
	}
	return t
}

// ownTenure returns the tenure that c stands in, or that of o, even if it is
// being given back.
func (q *queue) ownTenure(c *ownerContext, o *Owner) *tenure {
	if t := c.inside(func(t *tenure) bool { return t.queue == q && t.depth.Load() != 0 }); t != nil {
		return t
	}
	if o.matches() {
		for _, t := range q.tenures {
			if t.owner == o {
				return t
			}
		}
	}
	return nil
}

func (q *queue) allTenures() []*tenure {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.tenures)
}

// begin makes a tenure for w of the grant at hand.
func (q *queue) begin(w *waiter) *tenure {
	t := w.slot
	t.queue, t.lock, t.owner, t.shared, t.since, t.loss = q, w.lock, w.owner, q.shared, time.Now().UnixNano(), q.loss
	t.depth.Store(1)
	q.tenuresNew = q.tenuresNew || w.owner.waiting.Load() > 1 // w itself is one
	q.tenures = append(q.tenures, t)
	t.owner.tenureBegins()
	return t
}

// refuse notes that the backend has told the waiter that has the turn that
// somebody else has the lock, and that it goes on waiting.
func (q *queue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = true
	q.advance()
}

// take makes w, which has the turn, the first to have the grant.
func (q *queue) take(w *waiter, g Grant, l *loss, r *renewal) *tenure {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.grant, q.shared, q.loss, q.renewal = g, w.shared, l, r
	t := q.begin(w)
	q.settle(w, verdict{outcome: entered, tenure: t})
	q.advance()
	return t
}

// giveBack ends t, whose holds are being left, and with the last tenure releases
// the grant. Where that fails, the holds go on, or the queue does without them,
// as the resort says. It reports whether t has ended.
func (q *queue) giveBack(t *tenure, last resort) (over bool, err error) {
	q.mu.Lock()
	if len(q.tenures) > 1 {
		q.end(t)
		q.advance()
		q.mu.Unlock()
		q.drop()
		t.lock.log(context.Background(), "released")
		return true, t.loss.err()
	}
	g, renewal := q.grant, q.renewal
	q.mu.Unlock()

	// Nobody else comes this far: t is the only tenure, and does not go on.
	returned := false
	defer func() {
		if !returned { // it panics, or ends the goroutine
			q.finish(t, &debt{g, t.lock})
		}
	}()
	if q.handOver(t, g) {
		returned = true
		q.drop()
		t.lock.log(context.Background(), "released")
		return true, t.loss.err()
	}
	renewal.pause()
	err = g.Release(context.Background())
	returned = true
	if !isOver(err) && last == retry && t.resume() {
		renewal.resume()
		q.mu.Lock()
		q.tenuresNew = true
		q.advance()
		q.mu.Unlock()
		q.breakCycles() // some may have begun while t did not count
		return false, err
	}
	var owed *debt
	if !isOver(err) {
		if a, ok := g.(AbandonableGrant); ok {
			err = errors.Join(err, a.Abandon())
		} else {
			owed = &debt{g, t.lock}
		}
	}
	if lost := t.loss.err(); lost != nil && !errors.Is(err, ErrLost) {
		err = errors.Join(lost, err)
	}
	q.finish(t, owed)
	t.lock.log(context.Background(), "released")
	return true, err
}

// handOver ends t, the last tenure, and passes its grant to the first in the
// queue, if the grant permits it.
func (q *queue) handOver(t *tenure, g Grant) bool {
	h, ok := g.(HandedGrant)
	if !ok {
		return false
	}
	next := q.first()
	if next == nil || next.slot == nil || next.shared != t.shared || t.loss.err() != nil || !h.HandOver(next.lock.backend, next.request()) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiters) == 0 || q.waiters[0] != next {
		return false // it has just given up
	}
	q.settle(next, verdict{outcome: entered, tenure: q.begin(next)})
	q.end(t)
	q.advance()
	return true
}

func (q *queue) first() *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiters) == 0 {
		return nil
	}
	return q.waiters[0]
}

// finish ends the last tenure. If its grant has not been given back, it is
// owed.
func (q *queue) finish(t *tenure, owed *debt) {
	q.mu.Lock()
	q.end(t)
	q.grant, q.loss, q.renewal = nil, nil, nil
	if owed != nil {
		q.debts = append(q.debts, *owed)
	}
	q.advance()
	q.mu.Unlock()
	if owed == nil {
		q.drop()
	}
	t.loss.end()
}

// owe notes that a grant could not be given back, and keeps the queue for it.
func (q *queue) owe(g Grant, l *core) {
	table.Lock()
	q.refs++
	table.Unlock()
	q.mu.Lock()
	q.debts = append(q.debts, debt{g, l})
	q.mu.Unlock()
}

func (q *queue) end(t *tenure) {
	t.depth.Store(0)
	if i := slices.Index(q.tenures, t); i >= 0 {
		q.tenures = slices.Delete(q.tenures, i, i+1)
	}
	t.owner.tenureEnds()
}

// isOver reports whether a grant whose Release returned err is gone. What is
// further down in err may be about another lock, which the backend is made of.
func isOver(err error) bool {
	_, given := err.(*released)
	return given || err == nil || errors.Is(err, ErrLost) || errors.Is(err, ErrNotHeld)
}

// settleDebts repeats releases that failed. It is called by whoever has the
// turn.
func (q *queue) settleDebts() error {
	q.mu.Lock()
	n := len(q.debts)
	q.mu.Unlock()
	var errs []error
	for range n {
		errs = append(errs, q.settleDebt())
	}
	return errors.Join(errs...)
}

func (q *queue) settleDebt() error {
	q.mu.Lock()
	d := q.debts[0]
	q.debts = slices.Delete(q.debts, 0, 1)
	q.mu.Unlock()

	paid := false
	defer func() { // also if it panics
		if paid {
			q.drop()
			return
		}
		q.mu.Lock()
		q.debts = append(q.debts, d)
		q.mu.Unlock()
	}()
	err := d.grant.Release(context.Background())
	if paid = isOver(err); paid {
		return nil
	}
	return d.lock.fail("release", err)
}

// settled waits until no attempt or release is under way, and if nobody has or
// awaits the lock then, has debts settled.
func (q *queue) settled() error {
	w := &waiter{owner: &Owner{}, try: true}
	defer q.leave(w)
	v := q.push(w)
	if v.outcome == pending {
		<-w.ready
		v = q.verdictOf(w)
	}
	if v.outcome != turn {
		return nil
	}
	return q.settleDebts()
}

// releaseAll ends all holds of the lock, and gives the reference to q back.
func (q *queue) releaseAll() error {
	defer q.drop()
	var errs []error
	for _, t := range q.allTenures() {
		if err := t.leaveAll(); !errors.Is(err, ErrNotHeld) {
			errs = append(errs, t.lock.fail("release", err))
		}
	}
	return errors.Join(append(errs, q.settled())...)
}

// grantOf returns the grant that t has, nil if t does not go on.
func (q *queue) grantOf(t *tenure) Grant {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !t.goesOn() {
		return nil
	}
	return q.grant
}

// renewalOf returns what renews the grant that t has, if t goes on.
func (q *queue) renewalOf(t *tenure) (r *renewal, held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.renewal, t.goesOn()
}

// position counts who of this process comes before w.
func (q *queue) position(w *waiter) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, slices.Index(q.waiters, w))
}
