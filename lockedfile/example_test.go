package lockedfile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lockedfile"
)

func Example() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "settings")

	if err := lockedfile.Write(ctx, path, strings.NewReader("colour=blue\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	err := lockedfile.Transform(ctx, path, func(old []byte) ([]byte, error) {
		return append(old[:len(old):len(old)], "size=7\n"...), nil
	})
	if err != nil {
		log.Fatal(err)
	}
	settings, err := lockedfile.Read(ctx, path, filelock.WithTimeout(time.Second))
	fmt.Printf("%s%v\n", settings, err)
	// Output:
	// colour=blue
	// size=7
	// <nil>
}

// What zc.lockfile's documentation shows of LockFile.
func Example_lockFile() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lock")

	lock := filelock.New(path, filelock.WithContent(" {pid};{hostname}\n"))
	hold, err := lock.TryAcquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := filelock.New(path).TryAcquire(ctx); errors.Is(err, filelock.ErrLocked) {
		fmt.Println("Can't lock file")
	}
	fmt.Println(hold.Release())
	content, err := os.ReadFile(path) // it is left behind
	host, _ := os.Hostname()
	fmt.Println(string(content) == fmt.Sprintf(" %d;%s\n", os.Getpid(), host), err)
	hold, err = lock.TryAcquire(ctx)
	fmt.Println(err, hold.Release())
	// Output:
	// Can't lock file
	// <nil>
	// true <nil>
	// <nil> <nil>
}

// What zc.lockfile's documentation shows of LockedFile.
func ExampleOpen() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "filename.ext")
	if err := os.WriteFile(path, []byte("something"), 0o666); err != nil {
		log.Fatal(err)
	}

	f, err := lockedfile.Open(ctx, path, filelock.WithTimeout(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	fmt.Println(string(text), err)
	_, err = os.Stat(path + ".lock")
	fmt.Println(err)
	// Output:
	// something <nil>
	// <nil>
}

func ExampleEdit() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "journal")

	f, err := lockedfile.Edit(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	_, err = lockedfile.Open(ctx, path, filelock.NonBlocking()) // a stranger
	fmt.Println("locked:", errors.Is(err, filelock.ErrLocked))
	f.Seek(0, io.SeekEnd)
	fmt.Fprintln(f, "started")
	fmt.Println(f.Close())
	fmt.Println("closed:", errors.Is(f.Close(), os.ErrClosed))
	// Output:
	// locked: true
	// <nil>
	// closed: true
}

// What zc.lockfile's documentation shows of LockedContext, and more.
func ExampleDo() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "inventory")

	err := lockedfile.Do(ctx, path, func(ctx context.Context) error {
		if _, err := os.Stat(path); err == nil {
			return errors.New("there is an inventory already")
		}
		if err := lockedfile.Write(ctx, path, strings.NewReader("apples\n"), 0o666); err != nil {
			return err
		}
		list, err := lockedfile.Read(ctx, path)
		fmt.Print(string(list))
		return err
	}, filelock.WithTimeout(10*time.Second))
	fmt.Println(err)
	// Output:
	// apples
	// <nil>
}

func ExampleItself() {
	dir, ctx := exampleDir(), context.Background()
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "go.sum")

	// Excludes cmd/go, which locks the file itself.
	err := lockedfile.Write(ctx, path, strings.NewReader("golang.org/x/sys v0.1.0\n"), 0o666, lockedfile.Itself())
	files, _ := os.ReadDir(dir)
	fmt.Println(err, len(files), "file")
	// Output: <nil> 1 file
}

func exampleDir() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}
