package filelock_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/gofilelock/filelock"
)

func ExampleLock_Do() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "high_ground.txt.lock"), filelock.WithTimeout(10*time.Second))
	err := lock.Do(ctx, func(ctx context.Context) error {
		fmt.Println("You were the chosen one.")
		return lock.Do(ctx, func(ctx context.Context) error { // same owner: it nests
			fmt.Println("I hate you!")
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// You were the chosen one.
	// I hate you!
	// <nil>
}

func ExampleLock_TryAcquire() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	app, err := filelock.New(filepath.Join(dir, "app.lock")).TryAcquire(ctx)
	if errors.Is(err, filelock.ErrLocked) {
		log.Fatal(err) // app.lock: locked by pid 4242 (backup --full), started 12:03:07
	}
	if err != nil {
		log.Fatal(err) // the lock file cannot be opened or created
	}
	defer app.Release() // or with the process
	fmt.Println("one instance")
	// Output: one instance
}

func ExampleLock_Acquire() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "cache.lock"))
	reader, err := lock.Acquire(ctx, filelock.Shared())
	if err != nil {
		log.Fatal(err)
	}
	another, err := lock.Acquire(ctx, filelock.Shared())
	if err != nil {
		log.Fatal(err)
	}
	_, err = lock.TryAcquire(ctx)
	fmt.Println("exclusively:", errors.Is(err, filelock.ErrLocked))
	fmt.Println(another.Release(), reader.Release())
	// Output:
	// exclusively: true
	// <nil> <nil>
}

func ExampleLock_Guard() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "publish.lock"))
	publish := lock.Guard(func(ctx context.Context) error {
		fmt.Println("published")
		return nil
	})
	fmt.Println(publish(ctx))
	// Output:
	// published
	// <nil>
}

func ExampleGuardFunc() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "square.lock"))
	square := filelock.GuardFunc(lock, func(ctx context.Context, n int) (int, error) { return n * n, nil })
	fmt.Println(square(ctx, 7))
	// Output: 49 <nil>
}

func ExampleOnWait() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "build.lock"), filelock.OnWait(func(w filelock.WaitInfo) {
		log.Printf("%s: waiting for %s", w.Path, w.Holder)
	}))
	fmt.Println(lock.Do(ctx, func(context.Context) error { return nil }))
	// Output: <nil>
}

func ExampleNewOwner() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	lock := filelock.New(filepath.Join(dir, "x.lock"))
	err := lock.Do(ctx, func(ctx context.Context) error {
		_, err := lock.TryAcquire(ctx) // the owner of this Do: nests
		fmt.Println("inside:", err)
		worker := filelock.WithOwner(ctx, filelock.NewOwner("worker"))
		_, err = lock.TryAcquire(worker) // a stranger: competes
		fmt.Println("worker:", errors.Is(err, filelock.ErrLocked))
		return lock.ForceRelease(ctx)
	})
	fmt.Println(err)
	// Output:
	// inside: <nil>
	// worker: true
	// <nil>
}

func ExampleSoftFileLock_Break() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)

	// A marker that names nobody is never broken by itself.
	path := filepath.Join(dir, "old.lock")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		log.Fatal(err)
	}
	lock := filelock.NewSoft(path)
	state, err := lock.Inspect(ctx)
	fmt.Println(state.Held, state.Stale, err)
	fmt.Println(lock.Break(ctx, state)) // this hold and no later one
	hold, err := lock.TryAcquire(ctx)
	fmt.Println(err, hold.Release())
	// Output:
	// true false <nil>
	// <nil>
	// <nil> <nil>
}

func ExampleName() {
	path := filelock.Name("/var/cache/fetch", "https://example.org/tools.git")
	fmt.Println(filepath.ToSlash(path))
	// Output: /var/cache/fetch/https%3a%2f%2fexample.org%2ftools.git.lock
}

func exampleDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}
