package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

// examplePath is that of a lock in a directory of its own.
func examplePath() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(dir, "x.lock"), func() { os.RemoveAll(dir) }
}

func Example() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	lock := lease.New(path, lease.Config{})
	fmt.Println(lock.Lifetime(), lock.Held())

	hold, err := lock.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("acquired:", lock.Held())
	fmt.Println("released:", hold.Release(), lock.Held())

	err = lock.Do(ctx, func(ctx context.Context) error {
		fmt.Println("inside:", lock.Held())
		return ctx.Err() // the lease is renewed for as long as this runs
	})
	fmt.Println(err, lock.Held())
	// Output:
	// 15s false
	// acquired: true
	// released: <nil> false
	// inside: true
	// <nil> false
}

func ExampleNew() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	// As flufl.lock: a second acquisition is an error, and waits have a limit.
	lock := lease.New(path, lease.Config{NoRenewal: true},
		filelock.WithoutNesting(), filelock.WithTimeout(50*time.Millisecond))
	err := lock.Do(ctx, func(inside context.Context) error {
		_, err := lock.Acquire(inside)
		fmt.Println("again:", errors.Is(err, filelock.ErrLocked), errors.Is(err, filelock.ErrTimeout))
		_, err = lock.Acquire(ctx)
		fmt.Println("another:", errors.Is(err, filelock.ErrTimeout))
		return nil
	})
	fmt.Println(err)
	// Output:
	// again: true false
	// another: true
	// <nil>
}

func ExampleLock_Refresh() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	lock := lease.New(path, lease.Config{NoRenewal: true})
	fmt.Println("not held:", errors.Is(lock.Refresh(ctx, 0), filelock.ErrNotHeld))
	fmt.Println("unconditionally:", lock.RefreshIfHeld(ctx, 0), lock.ReleaseIfHeld(ctx))

	lock.SetLifetime(2 * time.Second)
	hold, err := lock.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	before, _ := lock.Expiration(ctx)
	fmt.Println("refreshed:", lock.Refresh(hold.Context(), time.Minute), lock.Lifetime())
	after, _ := lock.Expiration(ctx)
	fmt.Println("later:", after.Sub(before) > 50*time.Second)
	fmt.Println(hold.Release())
	// Output:
	// not held: true
	// unconditionally: <nil> <nil>
	// refreshed: <nil> 1m0s
	// later: true
	// <nil>
}

func ExampleLock_Details() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	lock := lease.New(path, lease.Config{Separator: '+'})
	_, err := lock.Details(ctx)
	fmt.Println("free:", errors.Is(err, filelock.ErrNotHeld))
	err = lock.Do(ctx, func(ctx context.Context) error {
		d, err := lock.Details(ctx)
		if err != nil {
			return err
		}
		host, err := lock.Host(ctx)
		fmt.Println(d.Host == host, d.PID == os.Getpid(), d.LockFile == path, strings.Contains(d.Claim, "+"))
		return err
	})
	fmt.Println(err)
	// Output:
	// free: true
	// true true true true
	// <nil>
}

func ExampleLock_State() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	lock := lease.New(path, lease.Config{})
	fmt.Println(lock.State(ctx))
	err := lock.Do(ctx, func(ctx context.Context) error {
		fmt.Println(lock.State(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// unlocked <nil>
	// ours <nil>
	// <nil>
}

func ExampleConfig() {
	// On NFS: reads that fail are repeated, and clocks may differ by more.
	lock := lease.New("/mnt/shared/x.lock", lease.Config{
		Lifetime:    time.Minute,
		Slop:        30 * time.Second,
		RetryErrors: []error{syscall.EIO},
	})
	fmt.Println(lock.Path(), lock.Lifetime())
	// Output: /mnt/shared/x.lock 1m0s
}

func ExampleFence() {
	path, remove := examplePath()
	defer remove()
	ctx := context.Background()

	var fence lease.Fence // the resource's
	lock := lease.New(path, lease.Config{Fencing: true})
	first, err := lock.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	late := first.Token() // of somebody who will be stopped for long
	first.Release()
	second, err := lock.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Release()
	fmt.Println(fence.Check(second.Token()))
	fmt.Println(fence.Check(late))
	// Output:
	// <nil>
	// the lock was lost: token 1 comes after 2
}
