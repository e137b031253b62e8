package fault

import "sync"

// Nth has one operation fail, by its number.
type Nth struct {
	N     int   // the first is 1
	After bool  // the operation takes place all the same
	Err   error // what it fails with

	mu      sync.Mutex
	count   int
	reached Op
}

// Install puts p in force until the returned function is called. It counts the
// operations that can fail in the way that is asked for.
func (p *Nth) Install() (remove func()) {
	return Install(&Plan{
		Before: func(op Op, _ string) error { return p.fail(op, op != Close && !p.After) },
		After: func(op Op, _ string, err error) error {
			// A close that fails has closed the file nevertheless.
			if err != nil {
				return err
			}
			return p.fail(op, op == Close || p.After && canFailAfter[op])
		},
	})
}

// canFailAfter holds the operations that can be done and yet reported as
// failed, as by a server whose reply is lost. An open that is reported as
// failed leaves no descriptor.
var canFailAfter = map[Op]bool{
	Lock: true, Unlock: true, Write: true, Truncate: true, Sync: true,
	Chmod: true, Chown: true, Link: true, Unlink: true, Rename: true, Symlink: true, Rmdir: true,
}

func (p *Nth) fail(op Op, applies bool) error {
	if !applies {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count++; p.count != p.N {
		return nil
	}
	p.reached = op
	return p.Err
}

// Reached returns the operation that has failed, or nothing if there were fewer
// than N.
func (p *Nth) Reached() Op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reached
}
