package linear

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// mostClients bounds how many goroutines of all processes there are in a history.
const mostClients = 32

// A state is what a lock is in between two operations.
type state struct {
	shared  bool
	tenure  uint16 // counts the holds that are no nested ones
	token   uint64 // the highest
	since   int64  // when whoever has a lease called last for what extended it
	dead    uint64 // processes
	clients [mostClients]client
}

// A client is what it has of the lock.
type client struct {
	process int8
	depth   uint8
	taken   bool   // its hold is another's by now, or nobody's
	told    bool   // it has been told that its hold is over
	seen    uint16 // the tenure that it has inspected, 0 if that is unknown
	half    uint16 // the tenure whose marker it may have inspected when that said nothing yet, or 0
}

// ended is no tenure.
const ended = math.MaxUint16

func (c *client) holds() bool { return c.depth > 0 && !c.taken }

func (s *state) isDead(process int) bool { return s.dead&(1<<process) != 0 }

// conflicts reports whether somebody but the client has the lock in a way that
// excludes it, and whether all of those are dead.
func (s *state) conflicts(o *operation) (conflict, dead bool) {
	dead = true
	for i := range s.clients {
		c := &s.clients[i]
		if i == o.Client || !c.holds() || s.shared && o.Shared {
			continue
		}
		conflict = true
		dead = dead && s.isDead(int(c.process))
	}
	return conflict, conflict && dead
}

// isOthers reports whether somebody but the client has the lock, shared or not.
func (s *state) isOthers(client int) bool {
	for i := range s.clients {
		if i != client && s.clients[i].holds() {
			return true
		}
	}
	return false
}

// holder returns who has an exclusive lock, or nil.
func (s *state) holder() *client {
	for i := range s.clients {
		if c := &s.clients[i]; c.holds() {
			return c
		}
	}
	return nil
}

// step reports whether o may happen in state s, and what becomes of that.
func (h *history) step(s state, o *operation) (bool, state) {
	if o.Verb == die {
		return h.stepDie(s, o)
	}
	if s.isDead(o.Process) {
		return o.Result == open, s // it has not come to pass
	}
	c := &s.clients[o.Client]
	c.process = int8(o.Process)
	switch o.Verb {
	case acquire:
		if c.depth > 0 {
			return h.stepNested(s, o)
		}
		return h.stepAcquire(s, o)
	case release:
		return h.stepRelease(s, o)
	case inspect:
		return h.stepInspect(s, o)
	case breakHold:
		return h.stepBreak(s, o)
	case refresh:
		return h.stepRefresh(s, o)
	case look:
		return h.stepLook(s, o)
	}
	return false, s
}

// stepDie ends a process, and of locks of the system its holds.
func (h *history) stepDie(s state, o *operation) (bool, state) {
	s.dead |= 1 << o.Process
	for i := range s.clients {
		c := &s.clients[i]
		if c.depth > 0 && int(c.process) == o.Process && (h.kind.death == ends || c.taken) {
			*c = client{}
		}
	}
	return true, s
}

func (h *history) stepAcquire(s state, o *operation) (bool, state) {
	conflict, dead := s.conflicts(o)
	switch o.Result {
	case timedOut, cancelled:
		return true, s
	case locked:
		excused := o.queued || o.crowded && (dead || h.kind.crowds) || h.kind.removes && o.parting && s.isOthers(o.Client)
		return o.How == try && (conflict && !dead || conflict && h.kind.death != clears || excused), s
	case ok, open:
	default:
		return false, s
	}
	if conflict && !h.takesOver(&s, o, dead) {
		return false, s
	}
	if o.Result == ok && h.kind.tokens && !o.Shared && o.Token <= s.token {
		return false, s
	}
	s.token = max(s.token, o.Token)
	s.clients[o.Client].depth = 1
	s.shared, s.since = o.Shared, o.Call
	s.tenure++
	return true, s
}

// takesOver reports whether the lock may be taken from its holders, and does so.
func (h *history) takesOver(s *state, o *operation, dead bool) bool {
	switch {
	case h.kind.lease:
		if o.Return-s.since < int64(lifetime+slop-accuracy) {
			return false
		}
	case !dead || h.kind.death != clears:
		return false
	}
	s.end()
	return true
}

// end takes the lock from whoever has it. The dead are not told.
func (s *state) end() {
	for i := range s.clients {
		c := &s.clients[i]
		switch {
		case !c.holds():
		case s.isDead(int(c.process)):
			*c = client{}
		default:
			c.taken = true
		}
	}
}

// stepNested is an acquisition of one who has the lock.
func (h *history) stepNested(s state, o *operation) (bool, state) {
	c := &s.clients[o.Client]
	switch o.Result {
	case timedOut, cancelled, open:
		return true, s
	case upgrade:
		return s.shared && !o.Shared, s
	case lost:
		return h.isLost(&s, o), s
	case ok:
		if s.shared && !o.Shared || c.told {
			return false, s
		}
		c.depth++
		return true, s
	}
	return false, s
}

// isLost reports whether the client may be told so, and notes that it has been.
func (h *history) isLost(s *state, o *operation) bool {
	c := &s.clients[o.Client]
	ranOut := h.kind.lease && o.Return-s.since >= int64(lifetime-lifetime/10-accuracy)
	if c.depth == 0 || !c.taken && !c.told && !ranOut {
		return false
	}
	c.told = true
	return true
}

func (h *history) stepRelease(s state, o *operation) (bool, state) {
	c := &s.clients[o.Client]
	switch o.Result {
	case busy:
		return true, s
	case lost:
		if !h.isLost(&s, o) {
			return false, s
		}
	case ok:
		if c.told || c.taken && c.depth == 1 {
			return false, s
		}
	case open:
	default:
		return false, s
	}
	if c.depth == 0 {
		return o.Result == open, s
	}
	if c.depth--; c.depth == 0 {
		*c = client{process: c.process, seen: c.seen, half: c.half}
	}
	return true, s
}

func (h *history) stepInspect(s state, o *operation) (bool, state) {
	c, holder := &s.clients[o.Client], s.holder()
	c.seen, c.half = 0, 0
	switch {
	case o.Result == open:
		return true, s
	case o.Seen == unknown:
		if h.kind.halves && o.crowded && holder == nil {
			c.half = s.tenure + 1 // nobody else can have the name by then
		}
		return true, s
	case o.Seen == nobody:
		return holder == nil || h.mayBeGone(&s, o), s
	case holder != nil && int(holder.process) == o.Seen:
		c.seen = s.tenure
		return true, s
	case c.taken && o.Seen == o.Process:
		c.seen = ended // it has not been told yet
		return true, s
	case o.releasing && o.Seen == o.Process:
		c.seen = ended // others may have it already, but the release goes on
		return true, s
	}
	return o.crowded && h.kind.crowds, s
}

// mayBeGone reports whether somebody may have removed what the dead have left
// behind, or what has ended, and not have got the lock then.
func (h *history) mayBeGone(s *state, o *operation) bool {
	return h.kind.death == clears && s.isDead(int(s.holder().process)) || h.kind.crowds && o.crowded
}

func (h *history) stepBreak(s state, o *operation) (bool, state) {
	seen, half, holder := s.clients[o.Client].seen, s.clients[o.Client].half, s.holder()
	same := holder != nil && seen == s.tenure
	whole := holder != nil && half == s.tenure // it is a hold by now, and may be broken as what it was
	unsure := seen == 0 && (holder == nil || s.isDead(int(holder.process)))
	switch o.Result {
	case busy:
		return true, s
	case lost:
		return !same || h.mayBeGone(&s, o), s
	case ok:
		if !same && !unsure && !whole {
			return false, s
		}
	case open:
		if !same {
			return true, s
		}
	default:
		return false, s
	}
	s.end()
	return true, s
}

func (h *history) stepRefresh(s state, o *operation) (bool, state) {
	c := &s.clients[o.Client]
	switch o.Result {
	case lost:
		return h.isLost(&s, o), s
	case ok, open:
		if !c.holds() || c.told {
			return o.Result == open, s
		}
		s.since = o.Call
		return true, s
	}
	return o.Result == busy, s
}

// stepLook lets a client overlook that its hold is another's, until it has been
// told once.
func (h *history) stepLook(s state, o *operation) (bool, state) {
	c := &s.clients[o.Client]
	switch o.Result {
	case lost:
		return h.isLost(&s, o), s
	case ok:
		return !c.told, s
	}
	return true, s
}

// check has Porcupine look for an order.
func (h *history) check(patience time.Duration) (porcupine.CheckResult, porcupine.Model, porcupine.LinearizationInfo) {
	model := porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, o, _ any) (bool, any) {
			return h.step(s.(state), o.(*operation))
		},
		DescribeOperation: func(o, _ any) string { return o.(*operation).String() },
		DescribeState:     func(s any) string { return s.(state).String() },
	}
	all := make([]porcupine.Operation, len(h.all))
	for i, o := range h.all {
		all[i] = porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: o.Return}
	}
	verdict, info := porcupine.CheckOperationsVerbose(model, all, patience)
	return verdict, model, info
}

func (s state) String() string {
	var have []string
	for i, c := range s.clients {
		switch {
		case c.depth > 0 && c.taken:
			have = append(have, fmt.Sprintf("%d×%d lost", i, c.depth))
		case c.depth > 0:
			have = append(have, fmt.Sprintf("%d×%d", i, c.depth))
		}
	}
	if have == nil {
		return "free"
	}
	mode := ""
	if s.shared {
		mode = " shared"
	}
	return strings.Join(have, ", ") + mode
}
