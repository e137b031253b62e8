// Package fault is the place where tests make file operations fail.
//
// Every operation of package sys passes through [Before] and [After]. Without
// a [Plan] both cost one atomic load.
package fault

import "sync/atomic"

// An Op names a file operation by its system call.
type Op string

// The operations that pass through this package.
const (
	Open     Op = "open"
	Create   Op = "create"
	Close    Op = "close"
	Dup      Op = "dup"
	Stat     Op = "stat"
	Lstat    Op = "lstat"
	Fstat    Op = "fstat"
	Lock     Op = "lock"
	Unlock   Op = "unlock"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Chmod    Op = "chmod"
	Chown    Op = "chown"
	Sync     Op = "fsync"
	Statfs   Op = "statfs"
	Xattr    Op = "getxattr"
	Times    Op = "utimensat"
	Link     Op = "link"
	Rename   Op = "rename"
	Unlink   Op = "unlink"
	Mkdir    Op = "mkdir"
	Rmdir    Op = "rmdir"
	Symlink  Op = "symlink"
	Readlink Op = "readlink"
	List     Op = "getdents"
	Getwd    Op = "getwd"
	Notify   Op = "inotify_init1"
	Watch    Op = "inotify_add_watch"
)

// A Plan says what happens to operations. Either function may be nil. They are
// called by whoever does the operation, so by several goroutines at once.
type Plan struct {
	// Before is called ahead of an operation. Where it returns an error, the
	// operation does not take place and fails with it.
	Before func(op Op, path string) error
	// After is called with an operation's result, which it may replace: the
	// operation has taken place, whatever it returns.
	After func(op Op, path string, err error) error
}

var plan atomic.Pointer[Plan]

// Install puts p in force for the whole process until the returned function is
// called.
func Install(p *Plan) (remove func()) {
	if !plan.CompareAndSwap(nil, p) {
		panic("fault: a plan is in force already")
	}
	return func() { plan.Store(nil) }
}

// Before reports the error that the plan in force wants in the place of op.
func Before(op Op, path string) error {
	if p := plan.Load(); p != nil && p.Before != nil {
		return p.Before(op, path)
	}
	return nil
}

// After returns what the plan in force makes of err, the result of op.
func After(op Op, path string, err error) error {
	if p := plan.Load(); p != nil && p.After != nil {
		return p.After(op, path, err)
	}
	return err
}
