package faultfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// An Op is what the kernel asks of a file system.
type Op string

// The operations that can fail.
const (
	Lookup   Op = "lookup"
	Getattr  Op = "getattr"
	Setattr  Op = "setattr"
	Open     Op = "open"
	Create   Op = "create"
	Read     Op = "read"
	Write    Op = "write"
	Flush    Op = "flush" // at close(2)
	Fsync    Op = "fsync"
	Lock     Op = "lock"
	Unlock   Op = "unlock"
	Link     Op = "link"
	Symlink  Op = "symlink"
	Readlink Op = "readlink"
	Mkdir    Op = "mkdir"
	Rmdir    Op = "rmdir"
	Unlink   Op = "unlink"
	Rename   Op = "rename"
	List     Op = "list"
)

// A Fault is what befalls operations of one kind.
type Fault struct {
	Op     Op            // "": of all kinds
	Errno  syscall.Errno // 0: they are late and no more
	Done   bool          // they take place all the same: it is the reply that is lost
	Skip   int           // so many go well first
	Times  int           // so many are befallen; 0: all
	Chance int           // in a thousand; 0: always
	Delay  time.Duration // before they begin
	Hang   bool          // they do not begin before there is another plan
	Lie    bool          // what they tell is not true, and has no end
}

// A Plan is all that goes wrong, until there is another one.
type Plan struct {
	Faults []Fault
	Seed   uint64
	Look   bool // nothing changes: that is asked for how often the last one has struck
}

// An injector carries out a plan.
type injector struct {
	mu       sync.Mutex
	plan     Plan
	chance   *rand.Rand
	met      []int // how many operations each fault could have befallen
	injected map[Op]int
	over     chan struct{} // is closed when there is another plan
}

func newInjector() *injector {
	in := &injector{over: make(chan struct{})}
	in.change(Plan{})
	return in
}

// change puts another plan in force, and returns how often the last one has
// struck.
func (in *injector) change(p Plan) map[Op]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	injected := maps.Clone(in.injected)
	if p.Look {
		return injected
	}
	in.plan, in.chance = p, rand.New(rand.NewPCG(p.Seed, 0))
	in.met, in.injected = make([]int, len(p.Faults)), map[Op]int{}
	close(in.over)
	in.over = make(chan struct{})
	return injected
}

// next returns the fault that befalls the operation that begins now, and what is
// closed when that plan is over.
func (in *injector) next(op Op) (Fault, chan struct{}) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, f := range in.plan.Faults {
		if f.Op != op && f.Op != "" {
			continue
		}
		in.met[i]++
		n := in.met[i] - f.Skip
		if n < 1 || f.Times > 0 && n > f.Times || f.Chance > 0 && in.chance.IntN(1000) >= f.Chance {
			continue
		}
		if !f.Done {
			in.injected[op]++
		}
		return f, in.over
	}
	return Fault{}, nil
}

// lies reports whether op is one that lies.
func (in *injector) lies(op Op) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.ContainsFunc(in.plan.Faults, func(f Fault) bool { return f.Lie && (f.Op == op || f.Op == "") })
}

func (in *injector) lost(op Op) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.injected[op]++
}

// do does an operation, or not, and returns what is answered.
func (in *injector) do(op Op, operation func() syscall.Errno) syscall.Errno {
	f, over := in.next(op)
	time.Sleep(f.Delay)
	if f.Hang {
		<-over
	}
	if f.Errno != 0 && !f.Done {
		return f.Errno
	}
	errno := operation()
	if errno == 0 && f.Done {
		in.lost(op)
		errno = f.Errno
	}
	return errno
}
