package filelock

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/unlink"
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
// whose name ends in ".claim". It stays behind if the process is killed in that
// instant.
//
// # BSD
//
// Whether a process with the marker's number is another than its holder cannot
// be told on FreeBSD, NetBSD and OpenBSD: then the marker reads as held. On
// DragonFly, Solaris, AIX, Plan 9 and WebAssembly every marker does.
type SoftFileLock struct{ core }

// NewSoft returns the soft lock whose marker is at path. It does nothing yet:
// options that make no sense, [WithContent] and [WithRecordLocks] among them,
// are reported by the first acquisition. A relative path is resolved by each
// acquisition of its own.
func NewSoft(path string, opts ...FileOption) *SoftFileLock {
	return &SoftFileLock{(&softBackend{path: path, breaks: unlink.Break}).core(opts)}
}

// softBackend is the [Backend] of SoftFileLock.
type softBackend struct {
	path   string
	set    fileSettings
	breaks func(path string, e unlink.Evidence) (removed bool, err error)
}

func (b *softBackend) core(opts []FileOption) core {
	b.set.lockSettings = defaults()
	for _, o := range opts {
		o.applyFile(&b.set)
	}
	_, misuse := b.set.check()
	switch {
	case misuse != nil:
	case b.path == "":
		misuse = invalid("the lock has no path")
	case b.set.content != nil || b.set.records:
		misuse = invalid("a soft lock has a content of its own and no record locks")
	}
	return core{backend: b, path: b.path, set: b.set.lockSettings, misuse: misuse}
}

func (b *softBackend) Key(context.Context) (string, error) { return address.Key("soft", b.path) }

// Prepare makes the directories that are missing, if it was asked for.
func (b *softBackend) Prepare(context.Context) error { return makeParents(b.path, b.set.parents) }

func (b *softBackend) Acquire(ctx context.Context, r Request) (Grant, error) {
	if r.Shared {
		return nil, fmt.Errorf("%w: a soft lock cannot be shared", ErrUnsupported)
	}
	if r.NoWait {
		return b.attempt()
	}
	return wait.Poll(ctx, r.PollInterval, func() (Grant, bool, error) {
		g, err := b.attempt()
		if errors.Is(err, ErrLocked) {
			return nil, false, nil
		}
		return g, true, err
	})
}

// attempt tries once to get the lock.
func (b *softBackend) attempt() (Grant, error) {
	path, err := address.Abs(b.path)
	if err != nil {
		return nil, err
	}
	for range attempts {
		seen, err := inspectMarker(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			g, err := b.publish(path)
			if errors.Is(err, fs.ErrExist) {
				continue // somebody else was faster
			}
			return g.orNil(err)
		case err != nil:
			return nil, err
		case !seen.stale():
			return nil, ErrLocked
		}
		switch err := b.clear(seen); {
		case errors.Is(err, unlink.ErrChanged):
		case errors.Is(err, unlink.ErrBusy), errors.Is(err, sys.ErrNoLocks):
			return nil, ErrLocked // by somebody else who is clearing it; for ever
		case err != nil:
			return nil, err
		}
	}
	return nil, ErrLocked
}

// A marker is what was seen at the path of a soft lock.
type marker struct {
	path     string
	evidence unlink.Evidence
	record   record.Marker
	unknown  error // why record says nothing
}

// inspectMarker looks at the marker at path. It fails with an error that
// matches [fs.ErrNotExist] if there is none, and with [irregular] if what is
// there is not a file.
func inspectMarker(path string) (marker, error) {
	e, err := unlink.Inspect(path, record.MaxMarker)
	m := marker{path: path, evidence: e}
	switch {
	case err != nil && e.Info.Mode.IsRegular() && errors.Is(err, fs.ErrPermission):
		m.unknown = errors.New("the marker may not be read")
		return m, nil
	case err != nil:
		return m, err
	case !e.Info.Mode.IsRegular():
		return m, irregular(e.Info.Mode)
	}
	m.record, m.unknown = record.ParseMarker(e.Content)
	return m, nil
}

// stale reports whether the holder is certainly dead.
func (m *marker) stale() bool {
	return m.unknown == nil && m.record.Host == hostname() && m.record.ID.Dead()
}

// clear removes the marker m, and the claim that it was made of if that has
// been left behind.
func (b *softBackend) clear(m marker) error {
	removed, err := b.breaks(m.path, m.evidence)
	if removed && m.record.Nonce != 0 {
		err = errors.Join(err, removeIfThere(claimPath(m.path, m.record.Nonce)))
	}
	return err
}

// claimPath names the file that a marker is prepared in. Of a long name only
// the beginning is used, since file systems have a limit.
func claimPath(path string, nonce uint64) string {
	_, base := address.Split(path)
	return address.Beside(path, fmt.Sprintf("%.100s.%016x.claim", base, nonce))
}

// publish makes the marker, all of it in one step, of a claim that nobody else
// knows. It fails with [fs.ErrExist] if there is a marker already. Whenever it
// fails it leaves nothing behind.
func (b *softBackend) publish(path string) (*softGrant, error) {
	host, err := os.Hostname()
	if err == nil && !record.ValidHost(host) {
		err = fmt.Errorf("its name is %q", host)
	}
	if err != nil {
		return nil, fmt.Errorf("this host cannot be named in a marker: %w", err)
	}
	self := record.Marker{ID: procid.Self(), Host: host, Nonce: newNonce()}
	g := &softGrant{path: path}
	g.evidence.Content, g.evidence.Limit = record.AppendMarker(nil, self), record.MaxMarker

	claim := claimPath(path, self.Nonce)
	g.evidence.Info, err = b.create(claim, g.evidence.Content)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is in the way", claim) // not ErrExist: that would be the marker
	}
	if err == nil {
		err = g.link(claim)
	}
	errClaim := removeIfThere(claim)
	if errors.Is(err, sys.ErrNoNames) {
		g.evidence.Info, err = b.create(path, g.evidence.Content)
	}
	if err == nil && errClaim == nil {
		return g, nil
	}
	if errors.Is(err, fs.ErrExist) && errClaim == nil {
		return nil, err
	}
	err = errors.Join(err, errClaim, g.retract())
	if errClaim != nil {
		removeIfThere(claim) // once more; what can be said has been said
	}
	return nil, err
}

func removeIfThere(path string) error {
	if err := sys.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func newNonce() uint64 {
	var b [8]byte
	rand.Read(b[:])                          // never fails
	return binary.BigEndian.Uint64(b[:]) | 1 // 0 is none
}

// create makes a file with the given content. If it fails the file may stand
// there; its ID is known then, unless that is what failed.
func (b *softBackend) create(path string, content []byte) (info sys.Info, err error) {
	f, err := create(path, b.set.mode)
	if err != nil {
		return info, err
	}
	if _, err = f.WriteAt(content, 0); err == nil {
		info, err = f.Info()
	}
	return info, errors.Join(err, f.Close())
}

// A softGrant is a marker of this process.
type softGrant struct {
	path     string // from the root
	evidence unlink.Evidence

	mu    sync.Mutex
	watch *time.Timer // nil while nobody watches the marker
	lost  func()
}

// link gives the claim the marker's name, and makes sure that it has it: a
// server may do what it says it has not, and others may undo it.
func (g *softGrant) link(claim string) error {
	err := sys.Link(claim, g.path)
	if errors.Is(err, sys.ErrNoNames) {
		err = sys.RenameExclusive(claim, g.path)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, sys.ErrNoNames) {
		return err
	}
	at, errStat := sys.Lstat(g.path)
	taken := errors.Is(errStat, fs.ErrNotExist) || errStat == nil && at.ID != g.evidence.Info.ID
	switch {
	case errStat == nil && !taken:
		return nil
	case err == nil && taken:
		return fs.ErrExist // by somebody who breaks markers less carefully
	case taken:
		return err
	}
	return errors.Join(err, errStat)
}

// retract removes the marker if it stands there in spite of an error.
func (g *softGrant) retract() error {
	e, err := unlink.Inspect(g.path, record.MaxMarker)
	if errors.Is(err, fs.ErrNotExist) || err == nil && e.Info.ID != g.evidence.Info.ID {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = unlink.Own(g.path, e)
	return err
}

// orNil keeps a nil *softGrant from becoming a Grant that is not nil.
func (g *softGrant) orNil(err error) (Grant, error) {
	if err != nil {
		return nil, err
	}
	return g, nil
}

// softIdentity tells one marker from all others.
type softIdentity struct{ file sys.ID }

func (b *softBackend) Identify(context.Context) (any, error) {
	info, err := sys.Lstat(b.path)
	return softIdentity{info.ID}, err
}

// Identity tells the marker from all others, whatever its name.
func (g *softGrant) Identity() any { return softIdentity{g.evidence.Info.ID} }

// watchInterval is how often a holder looks whether the marker is still there.
const watchInterval = 250 * time.Millisecond

// OnLoss has lost called if the marker is found to be gone.
func (g *softGrant) OnLoss(lost func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = lost
	g.watch = time.AfterFunc(watchInterval, g.look)
}

// look looks whether the marker is still there.
func (g *softGrant) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watch == nil {
		return
	}
	if g.gone() {
		g.watch = nil
		g.lost()
		return
	}
	g.watch.Reset(watchInterval)
}

// gone reports whether it is certain that the path does not lead to the marker.
func (g *softGrant) gone() bool {
	at, err := sys.Lstat(g.path)
	switch {
	case err != nil:
		return errors.Is(err, fs.ErrNotExist)
	case at.ID != g.evidence.Info.ID:
		return true
	case at.ModTime == g.evidence.Info.ModTime:
		return false
	}
	// Touched, or another one whose number was free.
	e, err := unlink.Inspect(g.path, record.MaxMarker)
	return err == nil && string(e.Content) != string(g.evidence.Content)
}

// stopWatch reports whether the marker was being watched.
func (g *softGrant) stopWatch() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watch == nil {
		return false
	}
	g.watch.Stop()
	g.watch = nil
	return true
}

// patience bounds the wait for others who are at a marker, as whoever breaks
// one is for an instant.
const patience = time.Second

// persist does what may fail because somebody else is at the marker.
func persist(ctx context.Context, do func() (bool, error)) (removed bool, err error) {
	if removed, err = do(); !errors.Is(err, unlink.ErrBusy) {
		return removed, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	removed, errPoll := wait.Poll(ctx, 10*time.Millisecond, func() (bool, bool, error) {
		removed, err = do()
		return removed, !errors.Is(err, unlink.ErrBusy), nil
	})
	if errPoll != nil {
		err = fmt.Errorf("%w, for more than %s", err, patience)
	}
	return removed, err
}

// Release removes the marker.
func (g *softGrant) Release(ctx context.Context) error {
	watched := g.stopWatch()
	removed, err := persist(ctx, func() (bool, error) { return unlink.Own(g.path, g.evidence) })
	switch {
	case removed:
		return Released(err)
	case errors.Is(err, unlink.ErrChanged):
		return ErrLost
	case watched:
		g.OnLoss(g.lost) // the hold goes on
	}
	return err
}

func (b *softBackend) Inspect(context.Context) (State, error) {
	path, err := address.Abs(b.path)
	if err != nil {
		return State{}, err
	}
	m, err := inspectMarker(path)
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
	h.PID, h.Host = id.PID, m.record.Host
	switch {
	case h.Host != hostname():
	case !id.Here():
		h.note = "from another boot or container; if it has ended, remove the file"
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
	_, err := persist(ctx, func() (bool, error) { return false, b.clear(m) })
	switch {
	case errors.Is(err, unlink.ErrChanged):
		return ErrLost
	case errors.Is(err, sys.ErrNoLocks):
		return fmt.Errorf("%w: nobody can be kept from the marker on this file system (remove it by hand): %w", ErrUnsupported, err)
	}
	return err
}
