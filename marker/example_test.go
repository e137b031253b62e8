package marker_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/marker"
)

// The context manager of lockfile's documentation.
func ExampleNew() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := marker.New(filepath.Join(dir, "other"), marker.Config{})
	err := lock.Do(ctx, func(context.Context) error {
		fmt.Println(filepath.Base(lock.Path()), "is locked.")
		return nil
	})
	fmt.Println(err)
	// Output:
	// other is locked.
	// <nil>
}

// Acquire and release by hand, and what lockfile's exceptions are here.
func ExampleLock() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := marker.New(filepath.Join(dir, "somefile"), marker.Config{})
	hold, err := lock.TryAcquire(ctx)
	switch {
	case errors.Is(err, filelock.ErrLocked):
		fmt.Println("somefile is locked already.")
	case err != nil:
		fmt.Println("somefile can't be locked.")
	default:
		fmt.Println("got lock")
	}
	state, err := lock.Inspect(ctx) // is_locked
	fmt.Println(state.Held, err)
	nested, err := lock.Acquire(hold.Context()) // twice by one owner, and here it is counted
	fmt.Println(lock.Depth(hold.Context()), err)
	fmt.Println(nested.Release(), hold.Release())
	state, err = lock.Inspect(ctx)
	fmt.Println(state.Held, err)
	fmt.Println(errors.Is(lock.ForceRelease(ctx), filelock.ErrNotHeld)) // NotLocked
	// Output:
	// got lock
	// true <nil>
	// 2 <nil>
	// <nil> <nil>
	// false <nil>
	// true
}

// Wait for a while, then break the lock of whoever has it (lockfile's
// break_lock). Break ends the hold that was inspected, and no other.
func ExampleLock_break() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "other")
	if err := os.WriteFile(path+".lock", nil, 0o666); err != nil { // somebody's
		log.Fatal(err)
	}

	lock := marker.New(path, marker.Config{}, filelock.WithTimeout(10*time.Millisecond)) // or a minute
	hold, err := lock.Acquire(ctx)
	for errors.Is(err, filelock.ErrTimeout) {
		state, errInspect := lock.Inspect(ctx)
		errBreak := lock.Break(ctx, state)
		if err := errors.Join(errInspect, errBreak); err != nil && !errors.Is(err, filelock.ErrLost) {
			log.Fatal(err)
		}
		hold, err = lock.Acquire(ctx)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("I locked", filepath.Base(lock.Path()))
	fmt.Println(hold.Release())
	// Output:
	// I locked other
	// <nil>
}

// The decorator, lockfile's locked("/var/run/myname", timeout=0).
func ExampleLock_guard() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := marker.New(filepath.Join(dir, "myname"), marker.Config{}, filelock.NonBlocking())
	add := filelock.GuardFunc(lock, func(_ context.Context, n [2]int) (int, error) { return n[0] + n[1], nil })
	fmt.Println(add(ctx, [2]int{2, 3}))
	// Output: 5 <nil>
}

// Threads of a lockfile are owners here. With a shared owner, as with
// threaded=False, all of the process are one.
func ExampleNewLink() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "somefile")

	for _, opts := range [][]filelock.Option{nil, {filelock.WithSharedOwner()}} {
		hold, err := marker.NewLink(path, marker.Config{}, opts...).Acquire(ctx)
		if err != nil {
			log.Fatal(err)
		}
		another, err := marker.NewLink(path, marker.Config{}, opts...).TryAcquire(ctx)
		fmt.Println(errors.Is(err, filelock.ErrLocked))
		if err == nil {
			err = another.Release()
		}
		fmt.Println(hold.Release())
	}
	// Output:
	// true
	// <nil>
	// false
	// <nil>
}

func ExampleNewPID() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "daemon.pid")

	lock := marker.NewPID(path, marker.Config{BreakStale: true})
	err := lock.Do(ctx, func(context.Context) error {
		content, err := os.ReadFile(path)
		fmt.Println(string(content) == fmt.Sprintln(os.Getpid()))
		return err
	})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func exampleDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}
