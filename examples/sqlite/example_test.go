package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/examples/sqlite"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "locks.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	lock := db.Lock("report.txt")
	err = lock.Do(ctx, func(ctx context.Context) error {
		_, err := db.Lock("report.txt").TryAcquire(context.Background()) // a stranger
		fmt.Println("locked:", errors.Is(err, filelock.ErrLocked))
		return lock.Do(ctx, func(context.Context) error { // the same owner
			fmt.Println("nested")
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// locked: true
	// nested
	// <nil>
}
