package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// A SoftFileLock is held as long as a marker file exists. It works where the
// operating system's locks do not, and excludes, and is excluded by,
// py-filelock's SoftFileLock. It is never shared.
//
// The marker names its holder. If that is a process which has certainly ended
// (on this host, since this boot and in this pid namespace), whoever comes next
// removes the marker. Any other one reads as held, whatever it says: one from
// another host, one that cannot be read, an empty one. It goes by Release, by
// [SoftFileLock.Break], or by hand.
//
// The marker may also be taken away from a holder who lives, by hand or by
// py-filelock, which breaks less carefully. The holder finds out within a
// second: see [Hold.Lost].
//
// While an acquisition is under way, a second file stands beside the marker,
// whose name ends in ".claim". If the lock is taken again and again it stays
// until 100 ms after the last release. It is left behind if the process ends
// meanwhile, and does no harm.
//
// # Other systems
//
// On FreeBSD, NetBSD and OpenBSD it cannot be told whether a process with the
// marker's number is another than its holder: then the marker reads as held, as
// does py-filelock's if it states a start. Every marker reads as held where
// nothing certain is known of processes: on DragonFly, Solaris, AIX, Plan 9 and
// WebAssembly, on Linux without the /proc of its own pid namespace, on FreeBSD
// in a jail or where users' processes are hidden from each other.
type SoftFileLock struct{ core }

// NewSoft returns the soft lock whose marker is at path. It does nothing yet:
// options that make no sense, [WithContent] and [WithRecordLocks] among them,
// are reported by the first acquisition. A relative path is resolved by each
// acquisition of its own.
func NewSoft(path string, opts ...FileOption) *SoftFileLock {
	return &SoftFileLock{(&softBackend{path: path, breaks: mark.Break}).core(opts)}
}

// softBackend is the [Backend] of SoftFileLock.
type softBackend struct {
	path   string
	set    pathSettings
	key    *address.Key
	breaks func(path string, e mark.Evidence) (removed bool, err error)
}

func (b *softBackend) core(opts []FileOption) core {
	b.key = address.KeyOf("soft", b.path)
	set, _, misuse := fileSettingsOf(opts)
	b.set = set.pathSettings
	if misuse == nil {
		misuse = checkPath(b.path)
	}
	switch {
	case misuse != nil:
	case b.set.mode != nil && *b.set.mode&0o600 != 0o600:
		misuse = invalid("mode %v: the owner of a soft lock has to read and write its marker", *b.set.mode)
	case b.set.content != nil || b.set.records:
		misuse = invalid("a soft lock has a content of its own and no record locks")
	}
	return core{backend: b, path: b.path, set: set.lockSettings, misuse: misuse}
}

func (b *softBackend) Key(context.Context) (string, error) { return b.key.Get() }

// Prepare makes the directories that are missing, if it was asked for.
func (b *softBackend) Prepare(context.Context) error { return makeParents(b.path, b.set.parents) }

func (b *softBackend) Acquire(ctx context.Context, r Request) (Grant, error) {
	if r.Shared {
		return nil, fmt.Errorf("%w: a soft lock cannot be shared", ErrUnsupported)
	}
	path, err := address.Abs(b.path)
	if err != nil {
		return nil, err
	}
	holder := func() int { return processAt(path) }
	return wait.Until(ctx, path, r.PollInterval, r.NoWait, ErrLocked, holder, func() (Grant, error) { return b.attempt(r.Key, path) })
}

// attempt tries once to get the lock.
func (b *softBackend) attempt(key, path string) (Grant, error) {
	if keeps(key) { // a claim: it finds out by itself whether there is a marker
		if g, err := b.publish(key, path); !errors.Is(err, fs.ErrExist) {
			return g, err
		}
	}
	for range attempts {
		seen, err := inspectMarker(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			g, err := b.publish(key, path)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else was faster
			}
			return g, err
		case err != nil:
			return nil, err
		case !seen.stale():
			return nil, ErrLocked
		}
		switch removed, err := b.clear(seen); {
		case errors.Is(err, mark.ErrChanged):
		case !removed && (errors.Is(err, sys.ErrBusy) || errors.Is(err, sys.ErrNoLocks)):
			return nil, ErrLocked // by somebody else who is clearing it; for ever
		case err != nil:
			return nil, fmt.Errorf("its holder is dead, but the marker cannot be removed: %w", err)
		}
	}
	return nil, ErrLocked
}

// A marker is what was seen at the path of a soft lock.
type marker struct {
	path     string
	evidence mark.Evidence
	record   record.Marker
	unknown  error // why record says nothing
}

// inspectMarker looks at the marker at path. It fails with an error that
// matches [fs.ErrNotExist] if there is none, and with [sys.Irregular] if what is
// there is not a file.
func inspectMarker(path string) (marker, error) {
	e, err := mark.Look(path, record.MaxMarker)
	m := marker{path: path, evidence: e}
	if errors.Is(err, mark.ErrUnreadable) {
		m.unknown = err
		return m, nil
	}
	if err != nil {
		return m, err
	}
	m.record, m.unknown = record.ParseMarker(e.Content)
	return m, nil
}

// processAt returns the number of the process that the marker at path names, if
// it is one of this system's.
func processAt(path string) int {
	m, err := inspectMarker(path)
	if err != nil || m.unknown != nil || m.record.Host != hostname() || !m.record.ID.Here() {
		return 0
	}
	return m.record.ID.PID
}

// stale reports whether the holder is certainly dead.
func (m *marker) stale() bool {
	return m.unknown == nil && m.record.Host == hostname() && m.record.ID.Dead()
}

// clear removes the marker m, and the claim that it was made of if that has
// been left behind.
func (b *softBackend) clear(m marker) (removed bool, err error) {
	removed, err = b.breaks(m.path, m.evidence)
	if removed {
		err = errors.Join(err, removeClaims(m))
	}
	return removed, err
}

// A softGrant is a marker of this process.
type softGrant struct {
	claim *claim
	stand mark.Stand
}

// newSoftGrant returns the grant that c is, which stands at its path.
func newSoftGrant(c *claim) *softGrant {
	return &softGrant{claim: c, stand: mark.NewStand(c.path, c)}
}

// softIdentity tells one marker from all others.
type softIdentity struct{ file sys.ID }

func (b *softBackend) Identify(context.Context) (any, error) {
	info, err := sys.Lstat(b.path)
	return softIdentity{info.ID}, err
}

// Identity tells the marker from all others, whatever its name.
func (g *softGrant) Identity() any { return softIdentity{g.claim.ID()} }

// OnLoss has lost called if the marker is found to be gone.
func (g *softGrant) OnLoss(lost func()) { g.stand.OnLoss(lost) }

// HandOver reports whether the marker may serve the next owner. It names the
// process, so it says the same of all of them.
func (g *softGrant) HandOver(to Backend, _ Request) bool {
	_, ok := to.(*softBackend)
	return ok && g.stand.GoesOn()
}

// Release removes the marker.
func (g *softGrant) Release(ctx context.Context) error { return leftover{&g.stand}.Release(ctx) }

// A leftover is a marker of this process that goes as soon as it can.
type leftover struct{ stand *mark.Stand }

// Release removes the marker.
func (l leftover) Release(ctx context.Context) error {
	removed, err := l.stand.End(ctx)
	switch {
	case removed:
		return Released(err)
	case errors.Is(err, mark.ErrChanged):
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}

func (b *softBackend) Inspect(context.Context) (State, error) {
	path, err := address.Abs(b.path)
	if err != nil {
		return State{}, err
	}
	var m marker
	if err = mark.Refresh(path); err == nil {
		m, err = inspectMarker(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	s := State{Held: true, Stale: m.stale(), Holders: []Holder{m.holder()}}
	return s.WithEvidence(m), nil
}

// holder says what the marker tells of its holder.
func (m *marker) holder() Holder {
	h := Holder{Since: time.Unix(0, m.evidence.Info.ModTime)}
	if m.unknown != nil {
		h.note = m.unknown.Error() + "; if nobody uses the lock, remove the file"
		return h
	}
	id := m.record.ID
	h.PID, h.Host = id.PID, procid.Printable(m.record.Host)
	switch {
	case m.record.Host != hostname():
	case !id.Here():
		h.note = "it cannot be judged from here (another boot, container or system); if it has ended, remove the file"
	case id.Dead():
		h.note = "it has ended"
	default:
		h.Command, h.Started = procid.Describe(id.PID)
		h.self = id.PID == os.Getpid()
	}
	return h
}

// Break removes the marker that was inspected.
func (b *softBackend) Break(ctx context.Context, s State) error {
	m, ok := s.Evidence().(marker)
	if !ok {
		return invalid("the state is not from a soft lock's Inspect")
	}
	if errors.Is(m.unknown, record.ErrStrict) {
		return fmt.Errorf("%w: %w, and stays for ever", ErrUnsupported, m.unknown)
	}
	_, err := mark.Persist(ctx, func() (bool, error) { return b.clear(m) })
	switch {
	case errors.Is(err, mark.ErrChanged):
		return ErrLost
	case errors.Is(err, sys.ErrNoLocks):
		return fmt.Errorf("%w: nobody can be kept from the marker on this file system (remove it by hand): %w", ErrUnsupported, err)
	}
	return err
}
