package hostile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/lockedfile"
	"github.com/gofilelock/filelock/marker"
	"golang.org/x/sys/unix"
)

// kinds are the locks of x in a directory.
var kinds = map[string]func(dir string) locktest.Lock{
	"flock":  func(dir string) locktest.Lock { return filelock.New(dir + "/x.lock") },
	"record": func(dir string) locktest.Lock { return filelock.New(dir+"/x.lock", filelock.WithRecordLocks()) },
	"everything": func(dir string) locktest.Lock {
		return filelock.New(dir+"/x.lock", filelock.WithContent("{pid} {command}\n"), filelock.WithMode(0o600), filelock.WithRemove())
	},
	"content": func(dir string) locktest.Lock { return filelock.New(dir+"/x.lock", filelock.WithContent("{pid}\n")) },
	"soft":    func(dir string) locktest.Lock { return filelock.NewSoft(dir + "/x.lock") },
	"mode":    func(dir string) locktest.Lock { return filelock.NewSoft(dir+"/x.lock", filelock.WithMode(0o600)) },
	"link":    func(dir string) locktest.Lock { return marker.NewLink(dir+"/x", breaking) },
	"mkdir":   func(dir string) locktest.Lock { return marker.NewMkdir(dir+"/x", breaking) },
	"symlink": func(dir string) locktest.Lock { return marker.NewSymlink(dir+"/x", breaking) },
	"pid":     func(dir string) locktest.Lock { return marker.NewPID(dir+"/x", breaking) },
	"lease": func(dir string) locktest.Lock {
		return lease.New(dir+"/x.lock", lease.Config{Lifetime: time.Second, Slop: time.Second, Fencing: true})
	},
}

var breaking = marker.Config{BreakStale: true}

// uses are what can be done with a file under its lock.
var uses = map[string]func(ctx context.Context, path string, opts ...filelock.FileOption) error{
	"Write": func(ctx context.Context, path string, opts ...filelock.FileOption) error {
		return lockedfile.Write(ctx, path, strings.NewReader("of the victim"), 0o600, opts...)
	},
	"Transform": func(ctx context.Context, path string, opts ...filelock.FileOption) error {
		return lockedfile.Transform(ctx, path, func([]byte) ([]byte, error) { return []byte("of the victim"), nil }, opts...)
	},
	"Edit": func(ctx context.Context, path string, opts ...filelock.FileOption) error {
		f, err := lockedfile.Edit(ctx, path, opts...)
		if err != nil {
			return err
		}
		_, err = f.WriteString("of the victim")
		return errors.Join(err, f.Close())
	},
	"Create": func(ctx context.Context, path string, opts ...filelock.FileOption) error {
		f, err := lockedfile.Create(ctx, path, opts...)
		if err != nil {
			return err
		}
		return f.Close()
	},
	"Read": func(ctx context.Context, path string, opts ...filelock.FileOption) error {
		_, err := lockedfile.Read(ctx, path, opts...)
		return err
	},
}

// visitor is who uses locks in the common directory until its input ends. Its
// arguments are the directory, the seed, and the kinds, or none for all of them.
func visitor(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	unix.Umask(0o077)
	debug.SetTraceback("all")
	v := tourist{dir: args[0], random: rand.New(rand.NewPCG(seed, 2)), done: map[string]int{}}
	for name, kind := range kinds {
		if len(args) == 2 || strings.Contains(args[2], name) {
			v.acts = append(v.acts, func(ctx context.Context) error { return v.lock(ctx, name, kind(v.dir)) })
		}
	}
	for name, use := range uses {
		if len(args) == 2 || strings.Contains(args[2], name) {
			v.acts = append(v.acts, func(ctx context.Context) error { return v.use(ctx, name, use) })
		}
	}
	fmt.Println("ready")
	for over := untilInputEnds(); !over.Load(); {
		if err := v.act(); err != nil {
			return err
		}
	}
	filelock.ReleaseAll() // some have been taken away
	return v.report()
}

type tourist struct {
	dir    string
	random *rand.Rand
	acts   []func(context.Context) error
	tried  int
	done   map[string]int
}

// act does something with a lock, and panics if that does not end.
func (v *tourist) act() error {
	v.tried++
	stuck := time.AfterFunc(within, func() { panic(fmt.Sprintf("stuck for %s", within)) })
	defer stuck.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(v.random.IntN(20))*time.Millisecond)
	defer cancel()
	return v.acts[v.random.IntN(len(v.acts))](ctx)
}

// lock takes a lock and gives it back, or looks at it, or breaks it.
func (v *tourist) lock(ctx context.Context, name string, l locktest.Lock) error {
	if v.random.IntN(3) > 0 {
		hold, err := l.Acquire(ctx)
		if err != nil {
			return sane(name, err)
		}
		v.done[name]++
		if err := hold.Release(); err != nil {
			hold.Release()
			return sane(name, err)
		}
		return nil
	}
	s, err := l.Inspect(ctx)
	if err == nil && s.Held && v.random.IntN(2) == 0 {
		err = l.Break(ctx, s)
	}
	return sane(name, err)
}

func (v *tourist) use(ctx context.Context, name string, use func(context.Context, string, ...filelock.FileOption) error) error {
	opts := []filelock.FileOption{}
	if v.random.IntN(2) == 0 {
		name, opts = name+" itself", append(opts, lockedfile.Itself())
	}
	err := use(ctx, filepath.Join(v.dir, "data"), opts...)
	if err == nil {
		v.done[name]++
	}
	return sane(name, err)
}

// sane fails if an error would have a terminal do something.
func sane(name string, err error) error {
	if err != nil && hasControl(err.Error()) {
		return fmt.Errorf("%s: an error that terminals obey: %q", name, err)
	}
	return nil
}

// report prints what has been done, and fails if that has taken too much.
func (v *tourist) report() error {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	if usage.Maxrss > mostMemory {
		return fmt.Errorf("%d KiB of memory", usage.Maxrss)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	if len(open) > 200 {
		return fmt.Errorf("%d files are open", len(open))
	}
	fmt.Println("tried", v.tried, "done", v.done, usage.Maxrss, "KiB", len(open), "files")
	return nil
}

// mostMemory is what a process may come to need, in KiB.
const mostMemory = 1 << 20

// naive locks as many a program does, until its input ends.
func naive(args []string) error {
	path := filepath.Join(args[0], "x.lock")
	fmt.Println("ready")
	for over := untilInputEnds(); !over.Load(); {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|unix.O_NONBLOCK, 0o666) // or it would hang
		if err != nil {
			continue
		}
		fmt.Fprintln(f, os.Getpid())
		f.Close()
		os.Remove(path)
	}
	return nil
}
