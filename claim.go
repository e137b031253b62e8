package filelock

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/gofilelock/filelock/internal/address"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// claimPath names the file that a marker is prepared in. Of a long name only
// the beginning is used, since file systems have a limit.
func claimPath(path string, nonce uint64) string {
	_, base := address.Split(path)
	const limit = 100
	if len(base) > limit {
		base = strings.ToValidUTF8(base[:limit], "") // not half of a rune
	}
	return address.Beside(path, fmt.Sprintf("%s.%016x.claim", base, nonce))
}

// lasting is the nonce in the name of the claim that is kept. There is one, so
// that processes that are killed again and again leave no more than one behind.
const lasting = 0

// removeClaims removes what is left of the claim that m was made of. Nobody is
// harmed who needs one that is gone: it is made anew.
func removeClaims(m marker) error {
	var err error
	if m.record.Nonce != 0 {
		err = removeIfThere(claimPath(m.path, m.record.Nonce))
	}
	last := claimPath(m.path, lasting)
	at, errLast := sys.Lstat(last)
	switch {
	case sys.IsGone(errLast):
		return err
	case errLast == nil && at.ID == m.evidence.Info.ID:
		errLast = removeIfThere(last)
	}
	return errors.Join(err, errLast)
}

// publish makes the marker, all of it in one step, of a claim that has been
// written before. It fails with [fs.ErrExist] if there is a marker already.
// Whenever it fails it leaves nothing behind.
func (b *softBackend) publish(key, path string) (Grant, error) {
	content, nonce, err := newRecord()
	if err != nil {
		return nil, err
	}
	g := b.keptClaim(key, path, content)
	if g == nil {
		if g, err = b.newClaim(path, nonce, content); err != nil {
			return nil, err
		}
	}
	g.key, g.path, g.mode, g.turn = key, path, b.set.mode, wait.Turn{}
	errGive := g.give()
	taken := errors.Is(errGive, fs.ErrExist)
	switch {
	case errGive == nil && (g.lasts || b.makeLast(g)):
		return g, nil
	case g.lasts && taken && keep(key, g):
		return nil, errGive
	}
	errClaim := removeIfThere(g.claim)
	if errGive == nil && errClaim == nil {
		return g, nil
	}
	if taken {
		err = errors.Join(errClaim, g.own.Close())
	} else {
		err = errors.Join(errClaim, g.own.Withdraw(path))
	}
	switch {
	case errClaim != nil:
		removeIfThere(g.claim) // once more; what can be said has been said
	case err == nil && errors.Is(errGive, sys.ErrNoNames):
		return b.create(key, path, content)
	case err == nil && g.lasts && errors.Is(errGive, fs.ErrNotExist): // somebody has tidied up
		return nil, fs.ErrExist // and it is to be tried again
	}
	if taken && err != nil {
		return nil, err // and not ErrExist, which would have it tried again
	}
	return nil, errors.Join(errGive, err)
}

// newClaim makes a claim for one marker, of which nobody else knows.
func (b *softBackend) newClaim(path string, nonce uint64, content []byte) (*softGrant, error) {
	claim := claimPath(path, nonce)
	own, err := mark.Create(claim, b.set.mode, content)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is in the way", claim) // not ErrExist: that would be the marker
	}
	return &softGrant{own: own, claim: claim}, err
}

// keptClaim returns the claim that is kept, and has it say content. It returns
// nil if there is none.
func (b *softBackend) keptClaim(key, path string, content []byte) *softGrant {
	g, _ := takeKept(key).(*softGrant)
	if g == nil {
		return nil
	}
	if g.path != path || g.mode != b.set.mode || g.own.Rewrite(content) != nil {
		g.close()
		return nil
	}
	return g
}

// makeLast reports whether the claim stays for further markers, as it does if
// the lock is taken again and again. For one that a dead process has left behind
// it makes way.
func (b *softBackend) makeLast(g *softGrant) bool {
	if dir, _ := address.Split(g.path); !repeats(g.key) || sys.IsRemote(dir) {
		return false
	}
	last := claimPath(g.path, lasting)
	err := sys.RenameExclusive(g.claim, last)
	if errors.Is(err, fs.ErrExist) && b.reclaim(last) {
		err = sys.RenameExclusive(g.claim, last)
	}
	if errors.Is(err, fs.ErrExist) || err != nil && g.own.At(last) != nil {
		return false
	}
	g.claim, g.lasts = last, true
	return true
}

// reclaim reports whether it has removed a claim of a process that is dead.
func (b *softBackend) reclaim(claim string) bool {
	m, err := inspectMarker(claim)
	if err != nil || !m.stale() {
		return false
	}
	removed, _ := b.breaks(claim, m.evidence)
	return removed
}

// create is publish in two steps, for file systems where nothing can be given a
// name. In between, the marker is empty, and reads as held.
func (b *softBackend) create(key, path string, content []byte) (Grant, error) {
	own, err := mark.Create(path, b.set.mode, content)
	if err != nil {
		return nil, err
	}
	return &softGrant{key: key, path: path, own: own}, nil
}

// newRecord returns what a marker of this process says, and its nonce.
func newRecord() (content []byte, nonce uint64, err error) {
	host, err := os.Hostname()
	if err == nil && !record.ValidHost(host) {
		err = fmt.Errorf("its name is %q", host)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("this host cannot be named in a marker: %w", err)
	}
	nonce = newNonce()
	return record.AppendMarker(make([]byte, 0, 256), record.Marker{ID: procid.Self(), Host: host, Nonce: nonce}), nonce, nil
}

func newNonce() uint64 {
	var b [8]byte
	rand.Read(b[:])                          // never fails
	return binary.BigEndian.Uint64(b[:]) | 1 // 0 is none
}

// give gives the claim the marker's name, and makes sure that it has it: a
// server may have done what it says it has not, and others may undo it.
func (g *softGrant) give() error {
	err := sys.Link(g.claim, g.path)
	if errors.Is(err, sys.ErrNoNames) {
		err = sys.RenameExclusive(g.claim, g.path)
	}
	switch errAt := g.own.At(g.path); {
	case errAt == nil:
		return nil
	case errors.Is(err, fs.ErrExist) && !errors.Is(errAt, mark.ErrChanged):
		return errAt // it may be ours
	case !errors.Is(errAt, mark.ErrChanged):
		return errors.Join(err, errAt)
	case err == nil: // taken away, by somebody who breaks markers less carefully
		g.lasts = false // or the claim has been meddled with
		return fs.ErrExist
	}
	return err
}

// rest has the claim wait for the next acquisition, or ends it.
func (g *softGrant) rest() error {
	if again(g.key) && g.lasts && keep(g.key, g) {
		return nil
	}
	return g.close()
}

// close ends the claim, whose marker is gone.
func (g *softGrant) close() error {
	var err error
	if g.lasts {
		err = removeIfThere(g.claim)
	}
	return errors.Join(err, g.own.Close())
}

func removeIfThere(path string) error {
	if err := sys.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
