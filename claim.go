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
)

// A claim is what a marker is made of: a file that is written at another path and
// then given the marker's name too, so that there is never half of a marker. It
// is the [mark.Marker] of soft locks.
type claim struct {
	*mark.Own
	key   string
	path  string // of the marker, from the root
	mode  *fs.FileMode
	name  string // the path that it was made at
	lasts bool   // and has still
	stays bool   // and has still, as it could not be removed
	free  bool   // the marker has been removed, by us
}

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
	c := b.keptClaim(key, path, content)
	if c == nil {
		if c, err = b.newClaim(key, path, nonce, content); err != nil {
			return nil, err
		}
	}
	errGive := c.give()
	taken := errors.Is(errGive, fs.ErrExist)
	switch {
	case errGive == nil:
		c.stays = !c.lasts && !b.makeLast(c) && removeIfThere(c.name) != nil
		return newSoftGrant(c), nil
	case c.lasts && taken && keep(key, c):
		return nil, errGive
	}
	errName := removeIfThere(c.name)
	if taken {
		err = errors.Join(errName, c.Own.Close())
	} else {
		c.stays = errName != nil
		err = errors.Join(errName, c.Undo(path, c))
	}
	switch {
	case errName != nil:
		removeIfThere(c.name) // once more; what can be said has been said
	case err == nil && errors.Is(errGive, sys.ErrNoNames):
		return b.create(key, path, content)
	case err == nil && c.lasts && errors.Is(errGive, fs.ErrNotExist): // somebody has tidied up
		return nil, fs.ErrExist // and it is to be tried again
	}
	if taken && err != nil {
		return nil, err // and not ErrExist, which would have it tried again
	}
	return nil, errors.Join(errGive, err)
}

// newClaim makes a claim for one marker, of which nobody else knows.
func (b *softBackend) newClaim(key, path string, nonce uint64, content []byte) (*claim, error) {
	name := claimPath(path, nonce)
	own, err := mark.CreateClaim(name, b.set.mode, content)
	return &claim{Own: own, key: key, path: path, mode: b.set.mode, name: name}, err
}

// keptClaim returns the claim that is kept, and has it say content. It returns
// nil if there is none.
func (b *softBackend) keptClaim(key, path string, content []byte) *claim {
	c, _ := takeKept(key).(*claim)
	if c == nil {
		return nil
	}
	if c.path != path || c.mode != b.set.mode || !c.named() || c.Rewrite(content) != nil {
		c.close()
		return nil
	}
	c.free = false
	return c
}

// makeLast reports whether the claim stays for further markers, as it does if
// the lock is taken again and again. For one that a dead process has left behind
// it makes way.
func (b *softBackend) makeLast(c *claim) bool {
	if dir, _ := address.Split(c.path); !repeats(c.key) || sys.IsRemote(dir) {
		return false
	}
	last := claimPath(c.path, lasting)
	err := sys.RenameExclusive(c.name, last)
	if errors.Is(err, fs.ErrExist) && b.reclaim(last) {
		err = sys.RenameExclusive(c.name, last)
	}
	if errors.Is(err, fs.ErrExist) || err != nil && c.At(last) != nil {
		return false
	}
	c.name, c.lasts = last, true
	return true
}

// reclaim reports whether it has removed a claim of a process that is dead.
func (b *softBackend) reclaim(name string) bool {
	m, err := inspectMarker(name)
	if err != nil || !m.stale() {
		return false
	}
	removed, _ := b.breaks(name, m.evidence)
	return removed
}

// create is publish in two steps, for file systems where nothing can be given a
// name. In between, the marker is empty, and reads as held.
func (b *softBackend) create(key, path string, content []byte) (Grant, error) {
	own, err := mark.Create(path, b.set.mode, content)
	if err != nil {
		return nil, err
	}
	return newSoftGrant(&claim{Own: own, key: key, path: path}), nil
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

// give gives the claim the marker's name.
func (c *claim) give() error {
	err := sys.Link(c.name, c.path)
	if errors.Is(err, sys.ErrNoNames) {
		err = sys.RenameExclusive(c.name, c.path)
	}
	settled := c.Settle(c.path, err)
	if err == nil && settled != nil {
		c.lasts = false // it has been meddled with, or the marker has
	}
	return settled
}

// Remove takes the marker's name away.
func (c *claim) Remove(path string) (removed bool, err error) {
	c.free, err = c.Own.Remove(path)
	return c.free, err
}

// Close has the claim wait for the next acquisition, or ends it.
func (c *claim) Close() error {
	if c.free && again(c.key) && c.lasts && keep(c.key, c) {
		return nil
	}
	return c.close()
}

// named reports whether the path that the claim was made at leads to it. Others
// may have tidied up, or moved the directory.
func (c *claim) named() bool {
	at, err := sys.Lstat(c.name)
	return err == nil && at.ID == c.ID()
}

// close ends the use of the claim. Somebody may just have made a marker of it,
// whose own had its name a moment before: that goes, too.
func (c *claim) close() error {
	var err error
	if c.stays {
		err = removeIfThere(c.name)
	}
	if !c.lasts {
		return errors.Join(err, c.Own.Close())
	}
	if c.named() {
		err = removeIfThere(c.name)
	}
	return errors.Join(err, c.Withdraw(c.path))
}

func removeIfThere(path string) error {
	if err := sys.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
