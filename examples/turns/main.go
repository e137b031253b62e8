// Command turns starts two processes that take turns on one lock, and shows
// what each of them sees.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofilelock/filelock"
)

const (
	turns     = 2
	work      = 1500 * time.Millisecond // under the lock
	otherWork = 200 * time.Millisecond  // without
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 {
		if err := worker(os.Args[1], os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "turns")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	path := filepath.Join(dir, "turns.lock")
	var both sync.WaitGroup
	for _, name := range []string{"first", "second"} {
		cmd := exec.Command(os.Args[0], name, path)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		both.Go(func() {
			if err := cmd.Run(); err != nil {
				log.Print(err)
			}
		})
	}
	both.Wait()
	fmt.Println("both are done, and the lock is free")
}

// worker takes the lock a few times, for a while each.
func worker(name, path string) error {
	say := func(format string, args ...any) {
		fmt.Printf("%s  %-6s (pid %d)  %s\n", time.Now().Format("15:04:05.000"), name, os.Getpid(), fmt.Sprintf(format, args...))
	}
	lock := filelock.New(path, filelock.OnWait(func(w filelock.WaitInfo) {
		say("has waited %.0f s for pid %d, started %s", w.Waited.Seconds(), w.Holder.PID, w.Holder.Started.Format(time.TimeOnly))
	}))
	for range turns {
		err := lock.Do(context.Background(), func(ctx context.Context) error {
			say("has the lock")
			time.Sleep(work)
			// A nested call re-enters: it does not wait for itself.
			return lock.Do(ctx, func(context.Context) error {
				say("gives it back")
				return nil
			})
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		time.Sleep(otherWork)
	}
	return nil
}
