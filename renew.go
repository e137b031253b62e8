package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/uptime"
)

// A renewal keeps a grant that would end by itself, from before the acquisition
// returns until the release begins, and says that it is lost before anybody else
// can have it. It is two timers, and a goroutine while the lease is renewed.
type renewal struct {
	grant LeasedGrant
	loss  *loss
	turn  chan struct{} // holds one element, which whoever renews takes out

	mu       sync.Mutex // guards what follows; the lease is never renewed under it
	paused   bool
	lifetime time.Duration // 0: the core does not look after it
	deadline moment
	trouble  error              // that the latest attempt has had
	cancel   context.CancelFunc // ends the attempt under way; nil if there is none
	next     *time.Timer        // to the next attempt
	watch    *time.Timer        // to the next look at the clocks
}

// Of a lifetime this is when a lease is renewed, when that is tried again, and
// how much of it nobody counts on: clocks differ in speed, and whoever is told of
// the end needs a moment to heed it.
const (
	renewsAfter = 3
	retriesIn   = 12
	sparesOf    = 10
)

// glance is the longest pause between two looks at the clocks. The timers of a
// process stand still while the machine is suspended.
const glance = 250 * time.Millisecond

// A moment is told by two clocks. One goes on when the machine is suspended and
// is never set. The other is what whoever judges a lease goes by.
type moment struct {
	steady time.Duration
	wall   time.Time
}

func now() moment {
	steady, wall := clocks()
	return moment{steady, wall.Round(0)}
}

var clocks = func() (steady time.Duration, wall time.Time) { return uptime.Steady(), time.Now() } // but for tests

func (m moment) add(d time.Duration) moment { return moment{m.steady + d, m.wall.Add(d)} }

// after returns how long m comes after the earlier one, by the clock that says
// less.
func (m moment) after(earlier moment) time.Duration {
	return min(m.steady-earlier.steady, m.wall.Sub(earlier.wall))
}

// usable returns for how long after it was asked for a lease can be counted on.
func usable(lifetime time.Duration) time.Duration { return lifetime - lifetime/sparesOf }

// startRenewal begins to renew g, if it ends by itself. If that fails g is not
// held: nobody knows how long it would last.
func startRenewal(ctx context.Context, g Grant, l *loss) (*renewal, error) {
	leased, ok := g.(LeasedGrant)
	if !ok {
		return nil, nil
	}
	r := &renewal{grant: leased, loss: l, turn: make(chan struct{}, 1)}
	r.turn <- struct{}{}
	return r, r.renew(ctx, 0)
}

// Renew has the lease of the hold that the owner of ctx has last for lifetime,
// and each time that it is renewed from now on; 0 is the lifetime that it has
// had. There is no need to call it for the hold to go on, which it does by
// itself, unless the lock says otherwise.
//
// It fails with [ErrLost] if the hold was lost, with [ErrNotHeld] and
// [ErrNotOwner] as ForceRelease does, and with [ErrUnsupported] if holds of this
// kind do not end by themselves. A lifetime that cannot be had matches
// [fs.ErrInvalid], and changes nothing. After any other error the hold goes on to
// the end of its lease, if no later renewal succeeds; to that of a shorter
// lifetime that was asked for, since it may have been granted.
func (l *Lock) Renew(ctx context.Context, lifetime time.Duration) error {
	if lifetime < 0 {
		return l.fail("renew", invalid("lifetime %s", lifetime))
	}
	t, err := l.ownTenure(ctx)
	if t == nil {
		return l.notOwn(ctx, "renew", err)
	}
	r, held := t.queue.renewalOf(t)
	switch {
	case !held:
		err = ErrNotHeld
	case r == nil:
		err = fmt.Errorf("%w: a hold of this kind does not end by itself", ErrUnsupported)
	default:
		err = r.renew(ctx, lifetime)
	}
	return l.fail("renew", err)
}

// renew renews the lease, for another lifetime if that is not 0.
func (r *renewal) renew(ctx context.Context, lifetime time.Duration) error {
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return contextError(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := now()
	former, err := r.begins(sent, lifetime, cancel)
	if err != nil {
		return err
	}
	granted, err := r.grant.Renew(ctx, lifetime)
	return r.ends(sent, former, granted, err)
}

// begins says whether there is anything left to renew, and returns the deadline.
// A shorter lifetime counts from the moment that it is asked for.
func (r *renewal) begins(sent moment, lifetime time.Duration, cancel context.CancelFunc) (former moment, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused {
		return former, ErrNotHeld
	}
	if r.lifetime > 0 && r.deadline.after(sent) <= 0 {
		r.runOut()
	}
	if err := r.loss.err(); err != nil {
		return former, err
	}
	former = r.deadline
	if sooner := sent.add(usable(lifetime)); 0 < lifetime && lifetime < r.lifetime && r.deadline.after(sooner) > 0 {
		r.deadline = sooner
		r.look()
	}
	r.cancel = cancel
	return former, nil
}

// ends notes what came of an attempt, and when the next one is due.
func (r *renewal) ends(sent, former moment, granted time.Duration, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.trouble = nil, err
	switch {
	case err == nil:
		r.lifetime, r.deadline = granted, sent.add(usable(granted))
	case errors.Is(err, ErrLost):
		r.lose(err)
	case errors.Is(err, fs.ErrInvalid): // nothing has been changed
		r.deadline = former
	}
	if r.lifetime > 0 && !r.paused && r.loss.err() == nil {
		pause := r.lifetime / renewsAfter
		if err != nil {
			pause = r.lifetime / retriesIn
		}
		arm(&r.next, pause, r.again)
		r.look() // the attempt itself may have taken too long
	}
	if lost := r.loss.err(); lost != nil {
		return lost
	}
	return err
}

// arm has f called after d, and not when it was to be called before.
func arm(timer **time.Timer, d time.Duration, f func()) {
	if *timer == nil {
		*timer = time.AfterFunc(d, f)
		return
	}
	(*timer).Reset(d)
}

// again is the renewal that nobody asks for.
func (r *renewal) again() {
	err := r.renew(context.Background(), 0)
	if err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, ErrNotHeld) {
		r.loss.lock.logError("renewal failed", err)
	}
}

func (r *renewal) watching() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.look()
}

// look ends the hold if its time is over. It is called under r.mu.
func (r *renewal) look() {
	if r.paused || r.loss.err() != nil {
		return
	}
	left := r.deadline.after(now())
	if left <= 0 {
		r.runOut()
		return
	}
	arm(&r.watch, min(left, glance), r.watching)
}

func (r *renewal) runOut() {
	why := fmt.Errorf("its lease of %s ran out", r.lifetime)
	if r.trouble != nil {
		why = fmt.Errorf("%w: %w", why, r.trouble)
	}
	r.lose(why)
}

// lose is called under r.mu.
func (r *renewal) lose(why error) {
	r.rest()
	r.loss.happen(why)
}

// rest has nothing begin by itself, and what has begun end soon.
func (r *renewal) rest() {
	for _, timer := range []*time.Timer{r.next, r.watch} {
		if timer != nil {
			timer.Stop()
		}
	}
	if r.cancel != nil {
		r.cancel()
	}
}

// pause returns when the lease is not renewed any more, so that the grant can be
// released.
func (r *renewal) pause() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.paused = true
	r.rest()
	r.mu.Unlock()
	<-r.turn
	r.turn <- struct{}{}
}

// resume undoes pause, for a hold that goes on.
func (r *renewal) resume() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	if r.lifetime > 0 && r.loss.err() == nil {
		arm(&r.next, 0, r.again)
		r.look()
	}
}

// logError writes a line at debug level about what nobody else hears of.
func (l *core) logError(msg string, err error) {
	ctx := context.Background()
	if l.logs(ctx) {
		l.logger().LogAttrs(ctx, slog.LevelDebug, msg, slog.Any("error", err))
	}
}
