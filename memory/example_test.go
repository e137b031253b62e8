package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/memory"
)

// publish is the code under test.
func publish(ctx context.Context, l filelock.Locker) error {
	return l.Do(ctx, func(context.Context) error {
		fmt.Println("published")
		return nil
	}, filelock.NonBlocking())
}

func ExampleNew() {
	fmt.Println(publish(context.Background(), memory.New("publish")))
	// Output:
	// published
	// <nil>
}

func ExampleSpace() {
	ctx := context.Background()
	var space memory.Space
	here := space.Process(filelock.Holder{}).Lock("publish")
	there := space.Process(filelock.Holder{PID: 4242, Command: "backup --full"}).Lock("publish")

	hold, _ := there.Acquire(ctx)
	err := publish(ctx, here)
	e := new(filelock.LockError)
	errors.As(err, &e)
	holder, _ := e.Holder()
	fmt.Println(errors.Is(err, filelock.ErrLocked), holder.PID, holder.Command)

	hold.Release()
	fmt.Println(publish(ctx, here))
	// Output:
	// true 4242 backup --full
	// published
	// <nil>
}

// A hold is taken away from its holder, as an expired lease or a removed marker
// would be.
func ExampleSpace_loss() {
	var space memory.Space
	here := space.Process(filelock.Holder{}).Lock("publish")
	there := space.Process(filelock.Holder{}).Lock("publish")

	err := here.Do(context.Background(), func(ctx context.Context) error {
		state, _ := there.Inspect(ctx)
		there.Break(ctx, state)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	fmt.Println(errors.Is(err, filelock.ErrLost))
	// Output: true
}

func ExampleProcess_Intercept() {
	process := new(memory.Space).Process(filelock.Holder{})
	process.Intercept(func(op, name string) error {
		if op == "acquire" {
			return errors.New("the disk is full")
		}
		return nil
	})
	fmt.Println(publish(context.Background(), process.Lock("publish")))
	// Output: publish: acquire: the disk is full
}
