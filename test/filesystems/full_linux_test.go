package filesystems

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lockedfile"
)

// full are the places where there is room until something uses it up.
func full() (all []place) {
	for _, p := range scarce {
		if p.spend != nil {
			all = append(all, p)
		}
	}
	return all
}

// TestHoldsOutlastAFullDisk has every kind of lock be held when the room is used
// up: it goes on to exclude, a lease is renewed, and it can be given back.
func TestHoldsOutlastAFullDisk(t *testing.T) {
	t.Parallel()
	inAll(t, full(), func(t *testing.T, p place) {
		lease := leaseKind(12 * time.Second) // of which a third is over before it is renewed
		kinds := append(kinds[:len(kinds)-1:len(kinds)-1], lease)
		var holds []*filelock.Hold
		pathOf := func(k locktest.Kind, dir string) string { return filepath.Join(dir, k.Name) }
		dir := p.make(t, func(dir string) {
			for _, k := range kinds {
				h, err := k.New(pathOf(k, dir)).Acquire(t.Context())
				must(t, err)
				holds = append(holds, h)
			}
		})
		p.spend(t, dir)
		before, err := lease.New(pathOf(lease, dir)).Inspect(t.Context())
		must(t, err)
		for now, end := before, time.Now().Add(30*time.Second); !now.Expires.After(before.Expires); time.Sleep(10 * time.Millisecond) {
			if now, err = lease.New(pathOf(lease, dir)).Inspect(t.Context()); err != nil || time.Now().After(end) {
				t.Fatalf("the lease is not renewed: %+v, %v", now, err)
			}
		}
		for i, k := range kinds {
			if _, err := k.New(pathOf(k, dir)).TryAcquire(t.Context()); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("%s: a stranger's attempt: %v", k.Name, err)
			}
			other := k.Try(t, pathOf(k, dir))
			if other == "done" {
				t.Errorf("%s: another process got it", k.Name)
			}
			if err := holds[i].Release(); err != nil {
				t.Errorf("%s: %v (%v)", k.Name, err, context.Cause(holds[i].Context()))
			}
		}
		giveBack(t, dir)
		for _, name := range strings.Fields(list(t, dir)) {
			if name != "flock" && name != "record" && name != "lost+found" && !strings.HasSuffix(name, ".claim") {
				t.Errorf("%s is left behind", name)
			}
		}
	})
}

// TestLaw11ContentThatFindsNoRoomLeavesNothing has a lock whose content cannot be
// written: it is not held, and there is not half of a content.
func TestLaw11ContentThatFindsNoRoomLeavesNothing(t *testing.T) {
	t.Parallel()
	inAll(t, full(), func(t *testing.T, p place) {
		content := systemKind("content", filelock.WithContent(strings.Repeat("much ", 700)+"{pid}\n"))
		dir := p.make(t, func(dir string) { write(t, filepath.Join(dir, "x.lock"), "") })
		path := filepath.Join(dir, "x.lock")
		p.spend(t, dir)
		h, err := content.New(path).TryAcquire(t.Context())
		if err == nil { // a file without a block of its own has room, perhaps
			must(t, h.Release())
			return
		}
		if !isNoRoom(err) {
			t.Errorf("the error is %v", err)
		}
		if b, err := os.ReadFile(path); err != nil || len(b) > 0 {
			t.Errorf("there is %q in the file, %v", b, err)
		}
		plain := kindNamed("flock")
		if got := plain.Try(t, path); got != "done" {
			t.Errorf("another process, of the lock without a content: %s", got)
		}
		giveBack(t, dir)
		h, err = content.New(path).TryAcquire(t.Context())
		must(t, err)
		must(t, h.Release())
	})
}

// TestLaw11WriteThatFindsNoRoomKeepsTheOldContent covers Write and Transform.
func TestLaw11WriteThatFindsNoRoomKeepsTheOldContent(t *testing.T) {
	t.Parallel()
	const old = "the old content"
	inAll(t, full(), func(t *testing.T, p place) {
		more := strings.Repeat("the new content\n", 1000)
		path := ""
		dir := p.make(t, func(dir string) {
			path = filepath.Join(dir, "data")
			must(t, lockedfile.Write(t.Context(), path, strings.NewReader(old), 0o666))
		})
		p.spend(t, dir)
		before := list(t, dir)
		writes := map[string]func() error{
			"Write": func() error { return lockedfile.Write(t.Context(), path, strings.NewReader(more), 0o666) },
			"Transform": func() error {
				return lockedfile.Transform(t.Context(), path, func([]byte) ([]byte, error) { return []byte(more), nil })
			},
		}
		for name, write := range writes {
			if err := write(); !isNoRoom(err) {
				t.Errorf("%s: the error is %v", name, err)
			}
			if b, err := lockedfile.Read(t.Context(), path); err != nil || string(b) != old {
				t.Errorf("%s: the content is %.40q, %v", name, b, err)
			}
			if after := list(t, dir); after != before {
				t.Errorf("%s leaves %q; before there were %q", name, after, before)
			}
		}
		giveBack(t, dir)
		for name, write := range writes {
			if err := write(); err != nil {
				t.Errorf("%s, when there is room again: %v", name, err)
			}
		}
	})
}
