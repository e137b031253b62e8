package linear

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// from returns o as an operation of a client, which is alone in its process, between
// two moments in milliseconds.
func (o operation) from(client int, call, returned int64) *operation {
	o.Client, o.Process = client, client
	o.Call, o.Return = call*int64(time.Millisecond), returned*int64(time.Millisecond)
	if o.Verb == die {
		o.Client += mostClients
	}
	if o.Result == open {
		o.Return = never
	}
	return &o
}

// beside has o be of a goroutine of another client's process.
func (o *operation) beside(process int) *operation {
	o.Process = process
	return o
}

var (
	takes      = operation{Verb: acquire, How: wait, Result: ok}
	joins      = operation{Verb: acquire, How: wait, Shared: true, Result: ok}
	began      = operation{Verb: acquire, How: wait}
	isRefused  = operation{Verb: acquire, How: try, Result: locked}
	mayNotJoin = operation{Verb: acquire, How: try, Shared: true, Result: locked}
	givesUp    = operation{Verb: acquire, How: cancel, Result: cancelled}
	mayNot     = operation{Verb: acquire, How: wait, Result: upgrade}
	releases   = operation{Verb: release, Result: ok}
	leaves     = operation{Verb: release}
	hasLost    = operation{Verb: release, Result: lost}
	dies       = operation{Verb: die, Result: ok}
	breaks     = operation{Verb: breakHold, Result: ok}
	breaksNone = operation{Verb: breakHold, Result: lost}
	renews     = operation{Verb: refresh, Result: ok}
	cannot     = operation{Verb: refresh, Result: lost}
	looksLost  = operation{Verb: look, Result: lost}
	looksFine  = operation{Verb: look, Result: ok}
)

func sees(process int) operation { return operation{Verb: inspect, Result: ok, Seen: process} }

func numbered(token uint64) operation {
	o := takes
	o.Token = token
	return o
}

// TestVerdicts has histories that are right and others that are wrong.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		what string
		kind string
		ok   bool
		all  []*operation
	}{
		{"one after the other", "flock", true, []*operation{takes.from(0, 1, 2), releases.from(0, 3, 4), takes.from(1, 1, 5), releases.from(1, 6, 7)}},
		{"two at once", "flock", false, []*operation{takes.from(0, 1, 2), takes.from(1, 1, 3), releases.from(0, 4, 5), releases.from(1, 4, 5)}},
		{"a writer among readers", "flock", false, []*operation{joins.from(0, 1, 2), takes.from(1, 3, 4), releases.from(0, 5, 6)}},
		{"a reader beside a writer", "flock", false, []*operation{takes.from(0, 1, 2), joins.from(1, 3, 4), releases.from(0, 5, 6)}},
		{"two readers", "flock", true, []*operation{joins.from(0, 1, 2), joins.from(1, 3, 4)}},
		{"refused by the holder", "flock", true, []*operation{takes.from(0, 1, 2), isRefused.from(1, 3, 4), releases.from(0, 3, 5)}},
		{"refused by nobody", "flock", false, []*operation{takes.from(0, 1, 2), releases.from(0, 3, 4), isRefused.from(1, 5, 6)}},
		{"refused by itself", "flock", false, []*operation{takes.from(0, 1, 2), isRefused.from(0, 3, 4)}},
		{"refused by one who tries", "flock", false, []*operation{isRefused.from(0, 1, 3), isRefused.from(1, 2, 4)}},
		{"refused by one who tries", "lease", true, []*operation{isRefused.from(0, 1, 3), isRefused.from(1, 2, 4)}},
		{"refused by a reader", "remove", false, []*operation{joins.from(0, 1, 2), mayNotJoin.from(1, 3, 4), releases.from(0, 5, 6)}},
		{"refused by a reader who leaves", "remove", true, []*operation{joins.from(0, 1, 2), releases.from(0, 3, 6), mayNotJoin.from(1, 4, 5)}},
		{"refused by a reader who leaves", "flock", false, []*operation{joins.from(0, 1, 2), releases.from(0, 3, 6), mayNotJoin.from(1, 4, 5)}},
		{"refused by a reader who has left", "remove", false, []*operation{joins.from(0, 1, 2), releases.from(0, 3, 4), mayNotJoin.from(1, 5, 6)}},
		{"refused by a reader who died as he left", "remove", false, []*operation{joins.from(0, 1, 2), leaves.from(0, 3, 0), dies.from(0, 4, 5), mayNotJoin.from(1, 6, 7)}},
		{"refused behind the queue", "flock", true, []*operation{givesUp.from(0, 1, 9), isRefused.from(1, 2, 3).beside(0)}},
		{"cancelled, and held later", "flock", false, []*operation{givesUp.from(0, 1, 2), isRefused.from(1, 3, 4)}},
		{"nested", "flock", true, []*operation{takes.from(0, 1, 2), joins.from(0, 3, 4), releases.from(0, 5, 6), isRefused.from(1, 7, 8), releases.from(0, 9, 10), takes.from(1, 11, 12)}},
		{"an upgrade", "flock", false, []*operation{joins.from(0, 1, 2), takes.from(0, 3, 4)}},
		{"an upgrade that is refused", "flock", true, []*operation{joins.from(0, 1, 2), mayNot.from(0, 3, 4)}},
		{"nothing to upgrade", "flock", false, []*operation{takes.from(0, 1, 2), mayNot.from(0, 3, 4)}},
		{"nothing to release", "flock", false, []*operation{releases.from(0, 1, 2)}},
		{"a dead holder", "flock", true, []*operation{takes.from(0, 1, 2), dies.from(0, 3, 4), takes.from(1, 5, 6)}},
		{"a holder who dies later", "flock", false, []*operation{takes.from(0, 1, 2), takes.from(1, 3, 4), dies.from(0, 5, 6)}},
		{"a dead holder that refuses", "flock", false, []*operation{takes.from(0, 1, 2), dies.from(0, 3, 4), isRefused.from(1, 5, 6)}},
		{"killed on its way, with the lock", "flock", true, []*operation{began.from(0, 1, 0), isRefused.from(1, 2, 3), dies.from(0, 4, 5), takes.from(1, 6, 7)}},
		{"killed on its way, without", "flock", true, []*operation{began.from(0, 1, 0), takes.from(1, 2, 3), dies.from(0, 4, 5)}},
		{"killed on its way, and held on", "flock", false, []*operation{began.from(0, 1, 0), dies.from(0, 2, 3), isRefused.from(1, 4, 5)}},
		{"a dead holder's marker", "soft", true, []*operation{takes.from(0, 1, 2), dies.from(0, 3, 4), takes.from(1, 5, 6)}},
		{"a dead holder's marker that stays", "pid", false, []*operation{takes.from(0, 1, 2), dies.from(0, 3, 4), takes.from(1, 5, 6)}},
		{"a dead holder's marker that is broken", "pid", true, []*operation{takes.from(0, 1, 2), dies.from(0, 3, 4), sees(0).from(1, 5, 6), breaks.from(1, 7, 8), takes.from(1, 9, 10)}},
		{"broken and told", "soft broken", true, []*operation{takes.from(0, 1, 2), sees(0).from(1, 3, 4), breaks.from(1, 5, 6), takes.from(1, 7, 8), hasLost.from(0, 9, 10)}},
		{"broken and not told", "soft broken", false, []*operation{takes.from(0, 1, 2), sees(0).from(1, 3, 4), breaks.from(1, 5, 6), releases.from(0, 9, 10)}},
		{"lost and not broken", "soft broken", false, []*operation{takes.from(0, 1, 2), hasLost.from(0, 3, 4)}},
		{"a later hold is broken", "soft broken", false, []*operation{takes.from(0, 1, 2), sees(0).from(1, 3, 4), releases.from(0, 5, 6), takes.from(2, 7, 8), breaks.from(1, 9, 10)}},
		{"a later hold is spared", "soft broken", true, []*operation{takes.from(0, 1, 2), sees(0).from(1, 3, 4), releases.from(0, 5, 6), takes.from(2, 7, 8), breaksNone.from(1, 9, 10)}},
		{"a half marker is broken when it is a hold", "pid", true, []*operation{takes.from(0, 1, 6), sees(unknown).from(1, 2, 3), breaks.from(1, 4, 8), hasLost.from(0, 9, 10), takes.from(2, 11, 12)}},
		{"a half marker is broken, and the hold goes on", "pid", false, []*operation{takes.from(0, 1, 6), sees(unknown).from(1, 2, 3), breaks.from(1, 7, 8), takes.from(2, 9, 10), releases.from(0, 11, 12)}},
		{"a hold that came after the half marker is broken", "pid", false, []*operation{takes.from(0, 1, 6), sees(unknown).from(1, 2, 3), releases.from(0, 7, 8), takes.from(2, 9, 10), breaks.from(1, 11, 12), hasLost.from(2, 13, 14)}},
		{"a whole marker is broken as unknown", "pid", false, []*operation{takes.from(0, 1, 2), sees(unknown).from(1, 3, 4), breaks.from(1, 5, 6), hasLost.from(0, 7, 8)}},
		{"a marker of one step is broken as half of one", "soft broken", false, []*operation{takes.from(0, 1, 6), sees(unknown).from(1, 2, 3), breaks.from(1, 7, 8), hasLost.from(0, 9, 10)}},
		{"the one is not broken", "soft broken", false, []*operation{takes.from(0, 1, 2), sees(0).from(1, 3, 4), breaksNone.from(1, 5, 6)}},
		{"seen, and not there", "soft broken", false, []*operation{sees(0).from(1, 1, 2)}},
		{"not seen, and there", "soft broken", false, []*operation{takes.from(0, 1, 2), sees(nobody).from(1, 3, 4)}},
		{"seen while it is released", "soft", true, []*operation{takes.from(0, 1, 2), releases.from(0, 3, 9), takes.from(1, 4, 5), sees(0).from(2, 6, 7).beside(0), releases.from(1, 10, 11)}},
		{"seen by others after its release", "soft", false, []*operation{takes.from(0, 1, 2), releases.from(0, 3, 9), takes.from(1, 4, 5), sees(0).from(2, 6, 7), releases.from(1, 10, 11)}},
		{"seen after its release", "soft", false, []*operation{takes.from(0, 1, 2), releases.from(0, 3, 4), sees(0).from(2, 6, 7).beside(0)}},
		{"taken in time", "lease", true, []*operation{numbered(1).from(0, 1, 2), numbered(2).from(1, 3, 2000), cannot.from(0, 2001, 2002), hasLost.from(0, 2003, 2004)}},
		{"taken too early", "lease", false, []*operation{numbered(1).from(0, 1, 2), numbered(2).from(1, 3, 1000)}},
		{"taken too early after a renewal", "lease", false, []*operation{numbered(1).from(0, 1, 2), renews.from(0, 900, 901), numbered(2).from(1, 3, 2000)}},
		{"a dead one's is taken too early", "lease", false, []*operation{numbered(1).from(0, 1, 2), dies.from(0, 3, 4), numbered(2).from(1, 5, 1000)}},
		{"renewed after it was another's", "lease", false, []*operation{numbered(1).from(0, 1, 2), numbered(2).from(1, 3, 2000), renews.from(0, 2001, 2002)}},
		{"released after it was another's", "lease", false, []*operation{numbered(1).from(0, 1, 2), numbered(2).from(1, 3, 2000), releases.from(0, 2001, 2002)}},
		{"lost before it could end", "lease", false, []*operation{numbered(1).from(0, 1, 2), cannot.from(0, 500, 501)}},
		{"told and untold", "lease", false, []*operation{numbered(1).from(0, 1, 2), looksLost.from(0, 2000, 2001), looksFine.from(0, 2002, 2003)}},
		{"the same token", "lease", false, []*operation{numbered(1).from(0, 1, 2), releases.from(0, 3, 4), numbered(1).from(1, 5, 6)}},
		{"a lower token", "lease", false, []*operation{numbered(2).from(0, 1, 2), releases.from(0, 3, 4), numbered(1).from(1, 5, 6)}},
	} {
		k, err := kindNamed(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		h := &history{kind: k, all: c.all}
		h.prepare()
		verdict, _, info := h.check(time.Minute)
		if verdict == porcupine.Unknown || (verdict == porcupine.Ok) != c.ok {
			t.Errorf("%s (%s): %s\n%s", c.what, c.kind, verdict, h.explain(info))
		}
	}
}
