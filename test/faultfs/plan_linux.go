package faultfs

import (
	"math/rand/v2"
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
	Op     Op
	Errno  syscall.Errno // 0: they are late and no more
	Done   bool          // they take place all the same: it is the reply that is lost
	Skip   int           // so many go well first
	Times  int           // so many are befallen; 0: all
	Chance int           // in a thousand; 0: always
	Delay  time.Duration // before they begin
}

// A Plan is all that goes wrong, until there is another one.
type Plan struct {
	Faults []Fault
	Seed   uint64
}

// An injector carries out a plan.
type injector struct {
	mu       sync.Mutex
	plan     Plan
	chance   *rand.Rand
	met      []int // how many operations each fault could have befallen
	injected map[Op]int
}

// change puts another plan in force, and returns how often the last one has
// struck.
func (in *injector) change(p Plan) map[Op]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	injected := in.injected
	in.plan, in.chance = p, rand.New(rand.NewPCG(p.Seed, 0))
	in.met, in.injected = make([]int, len(p.Faults)), map[Op]int{}
	return injected
}

// next returns the fault that befalls the operation that begins now.
func (in *injector) next(op Op) Fault {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, f := range in.plan.Faults {
		if f.Op != op {
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
		return f
	}
	return Fault{}
}

func (in *injector) lost(op Op) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.injected[op]++
}

// do does an operation, or not, and returns what is answered.
func (in *injector) do(op Op, operation func() syscall.Errno) syscall.Errno {
	f := in.next(op)
	time.Sleep(f.Delay)
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
