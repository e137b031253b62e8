package lockedfile

import (
	"errors"
	"testing"
)

// A fullDisk is a file that nothing can be written to beyond a size, or that
// fails once at its nth operation.
type fullDisk struct {
	content []byte
	size    int
	failAt  int
	count   int
}

var errFull = errors.New("no room")

func (d *fullDisk) step(size int) error {
	if d.count++; d.count == d.failAt || size > d.size {
		return errFull
	}
	return nil
}

// WriteAt writes as much as there is room for.
func (d *fullDisk) WriteAt(b []byte, off int64) (int, error) {
	err := d.step(int(off) + len(b))
	if err != nil {
		b = b[:max(0, min(len(b)/2, d.size-int(off)))]
	}
	if missing := int(off) + len(b) - len(d.content); missing > 0 {
		d.content = append(d.content, make([]byte, missing)...)
	}
	return copy(d.content[off:], b), err
}

func (d *fullDisk) Truncate(size int64) error {
	if err := d.step(0); err != nil {
		return err
	}
	d.content = d.content[:size]
	return nil
}

func TestOverwriteLeavesOldOrNew(t *testing.T) {
	const room = 10
	contents := []string{"", "old", "as long!", "0123456789", "this is too long"}
	for _, old := range contents[:4] {
		for _, content := range contents {
			for failAt := range 5 {
				if failAt > 0 && len(content) > room {
					continue // two failures at once
				}
				d := &fullDisk{content: []byte(old), size: room, failAt: failAt}
				err := overwrite(d, []byte(old), []byte(content))
				expect := content
				if err != nil {
					expect = old
				}
				if string(d.content) != expect {
					t.Errorf("%q over %q, failing at %d: %q, %v", content, old, failAt, d.content, err)
				}
				if (len(content) > room || failAt == 1) && !errors.Is(err, errFull) {
					t.Errorf("%q over %q, failing at %d: %v", content, old, failAt, err)
				}
			}
		}
	}
}
