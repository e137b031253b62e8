package lockedfile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/lockedfile"
)

// uses are what can be done to a file that holds "old".
var uses = map[string]func(path string, opts ...filelock.FileOption) error{
	"Open": func(path string, opts ...filelock.FileOption) error {
		return openAndClose(lockedfile.Open(bg, path, opts...))
	},
	"Create": func(path string, opts ...filelock.FileOption) error {
		return openAndClose(lockedfile.Create(bg, path, opts...))
	},
	"Edit": func(path string, opts ...filelock.FileOption) error {
		return openAndClose(lockedfile.Edit(bg, path, opts...))
	},
	"Read": func(path string, opts ...filelock.FileOption) error {
		_, err := lockedfile.Read(bg, path, opts...)
		return err
	},
	"Write": func(path string, opts ...filelock.FileOption) error {
		return lockedfile.Write(bg, path, strings.NewReader("new content"), 0o666, opts...)
	},
	"Transform": func(path string, opts ...filelock.FileOption) error {
		return lockedfile.Transform(bg, path, func(old []byte) ([]byte, error) { return append(old, " and more"...), nil }, opts...)
	},
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	must(t, filelock.ReleaseAll()) // some files may have been kept open
	return locktest.Descriptors(t)
}

// wantFree makes sure that nobody has a lock on the file itself.
func wantFree(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	must(t, err)
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("%s is locked: %v", path, err)
	}
}

// TestLaw11FailureOfAnyOperationLeavesNothing covers law 18 too: a Close that
// could not give the lock back can be repeated.
func TestLaw11FailureOfAnyOperationLeavesNothing(t *testing.T) {
	total, cases := 0, 0
	for way, opts := range ways {
		for what, use := range uses {
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					p := &fault.Nth{N: n, After: after, Err: unix.EIO}
					t.Run(fmt.Sprintf("%s/%s/%d/%v", way, what, n, after), func(t *testing.T) {
						// Of one name a lock file might be kept open from the last time.
						path := dataPath(t) + fmt.Sprint(cases)
						write(t, path, "old")
						cases++
						before := descriptors(t)
						remove := p.Install()
						err := use(path, opts...)
						remove()
						if (p.Reached() == "") != (err == nil) || err != nil && !errors.Is(err, unix.EIO) {
							t.Errorf("%q failed, but the error is %v", p.Reached(), err)
						}
						if now := descriptors(t); now != before {
							t.Errorf("there are %d descriptors, %d before", now, before)
						}
						wantFree(t, path)
						wantFree(t, path+".lock")
						if _, err := os.Lstat(path + ".lock.new"); err == nil {
							t.Error("a temporary file is left")
						}
						switch got := content(t, path); {
						case got == "old", got == "" && what == "Create":
						case got == "new content" && what == "Write", got == "old and more" && what == "Transform":
						default:
							t.Errorf("after %s the content is %q", what, got)
						}
					})
					if p.Reached() == "" {
						break
					}
					total++
				}
			}
		}
	}
	t.Logf("%d failures of an operation", total)
}

// TestLaw18FailingUnlockShutsNobodyOut has what nobody can release again, as it is
// over, meet a system that never unlocks.
func TestLaw18FailingUnlockShutsNobodyOut(t *testing.T) {
	for way, opts := range ways {
		for _, what := range []string{"Read", "Write", "Transform"} {
			t.Run(way+"/"+what, func(t *testing.T) {
				path := dataPath(t)
				write(t, path, "old")
				remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
					if op == fault.Unlock {
						return unix.EIO
					}
					return nil
				}})
				defer remove()
				want(t, uses[what](path, opts...), unix.EIO)
				ctx, cancel := context.WithTimeout(bg, 30*time.Second)
				defer cancel()
				if _, err := lockedfile.Read(ctx, path, opts...); errors.Is(err, filelock.ErrLocked) {
					t.Error(err)
				}
			})
		}
	}
}

// TestLaw18FailingUnlockAfterAFailedOpening is the same of a file that is locked, and
// not to be had then: there is a link in its place that leads nowhere.
func TestLaw18FailingUnlockAfterAFailedOpening(t *testing.T) {
	for way, opts := range ways {
		for _, what := range []string{"Open", "Create", "Edit"} {
			t.Run(way+"/"+what, func(t *testing.T) {
				path := dataPath(t)
				write(t, path, "old")
				must(t, os.Link(path, path+"2"))
				remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
					switch op {
					case fault.Lock:
						must(t, errors.Join(os.Remove(path), os.Symlink(path, path)))
					case fault.Unlock:
						return unix.EIO
					}
					return nil
				}})
				err := uses[what](path, opts...)
				remove()
				want(t, err, unix.ELOOP, unix.EIO)
				wantFree(t, path+"2")
				wantFree(t, path+".lock")
			})
		}
	}
}

func TestLeftoverThatCannotBeRemovedIsReported(t *testing.T) {
	path := dataPath(t)
	write(t, path+".lock.new", "half of a cont")
	p := &fault.Plan{Before: func(op fault.Op, path string) error {
		if op == fault.Unlink {
			return unix.EPERM
		}
		return nil
	}}
	remove := fault.Install(p)
	err := lockedfile.Write(bg, path, strings.NewReader("content"), 0o666)
	remove()
	want(t, err, fs.ErrPermission)
	wantFree(t, path+".lock")
	must(t, lockedfile.Write(bg, path, strings.NewReader("content"), 0o666))
	wantFiles(t, path, "data", "data.lock")
}

// TestNoRoomLeavesTheOldContent fills the disk at each of the operations that
// need room.
func TestNoRoomLeavesTheOldContent(t *testing.T) {
	for _, full := range []fault.Op{fault.Create, fault.Write, fault.Sync, fault.Rename} {
		path := dataPath(t)
		write(t, path, "old")
		write(t, path+".lock", "")
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == full {
				return unix.ENOSPC
			}
			return nil
		}})
		err := lockedfile.Write(bg, path, strings.NewReader("content"), 0o666)
		remove()
		want(t, err, unix.ENOSPC)
		wantContent(t, path, "old")
		wantFiles(t, path, "data", "data.lock")
	}
}

// TestFileIsClosedBeforeTheLockIsReleased looks at the file when the lock is
// about to be given back.
func TestFileIsClosedBeforeTheLockIsReleased(t *testing.T) {
	for way, opts := range ways {
		path := dataPath(t)
		f, err := lockedfile.Create(bg, path, opts...)
		must(t, err)
		unlocked := false
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Unlock {
				unlocked = true
				if _, err := f.Stat(); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("%s: the file is still open: %v", way, err)
				}
			}
			return nil
		}})
		err = f.Close()
		remove()
		must(t, err)
		if !unlocked {
			t.Errorf("%s: nothing was unlocked", way)
		}
	}
}

// TestLaw01OpenFileIsTheOneThatThePathNames has the file replaced while it is
// opened and locked.
func TestLaw01OpenFileIsTheOneThatThePathNames(t *testing.T) {
	for way, opts := range ways {
		path := dataPath(t)
		write(t, path, "old")
		remove := fault.Install(fault.AtFirst(fault.Lock, func() {
			write(t, path+"2", "replaced")
			must(t, os.Rename(path+"2", path))
		}))
		f, err := lockedfile.Edit(bg, path, opts...)
		remove()
		must(t, err)
		opened, err := f.Stat()
		must(t, err)
		if named, err := os.Stat(path); err != nil || !os.SameFile(opened, named) {
			t.Errorf("%s: another file is open, %v", way, err)
		}
		must(t, f.Close())
	}
}

// TestLaw01WhatIsReadAndChangedIsWhatThePathNames is the same of what needs no open
// file.
func TestLaw01WhatIsReadAndChangedIsWhatThePathNames(t *testing.T) {
	for way, opts := range ways {
		for what, wanted := range map[string]string{"Read": "replaced", "Write": "new content", "Transform": "replaced and more"} {
			path := dataPath(t)
			write(t, path, "old")
			remove := fault.Install(fault.AtFirst(fault.Lock, func() {
				write(t, path+"2", "replaced")
				must(t, os.Rename(path+"2", path))
			}))
			err := uses[what](path, opts...)
			remove()
			must(t, err)
			if got := content(t, path); got != wanted {
				t.Errorf("%s, %s: the content is %q, want %q", way, what, got, wanted)
			}
		}
	}
}

// TestLaw01LinkThatIsTurnedIsFollowedAgain has the path be a symbolic link, which is
// made to lead elsewhere when the lock of where it led has been chosen.
func TestLaw01LinkThatIsTurnedIsFollowedAgain(t *testing.T) {
	path := dataPath(t)
	a, b := path+".a", path+".b"
	write(t, a, "a")
	write(t, b, "b")
	must(t, os.Symlink(a, path))
	remove := fault.Install(fault.AtFirst(fault.Lock, func() { must(t, errors.Join(os.Remove(path), os.Symlink(b, path))) }))
	f, err := lockedfile.Edit(bg, path)
	remove()
	must(t, err)
	_, err = filelock.New(b + ".lock").TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	must(t, f.Close())
}

// TestLaw01ItselfReplacedForEverIsLocked has the file replaced each time.
func TestLaw01ItselfReplacedForEverIsLocked(t *testing.T) {
	path := dataPath(t)
	write(t, path, "old")
	before := descriptors(t)
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lock {
			write(t, path+"2", "replaced")
			must(t, os.Rename(path+"2", path))
		}
		return nil
	}})
	_, err := lockedfile.Create(bg, path, lockedfile.Itself())
	remove()
	want(t, err, filelock.ErrLocked)
	wantContent(t, path, "replaced")
	if now := descriptors(t); now != before {
		t.Errorf("there are %d descriptors, %d before", now, before)
	}
}

// TestTransformCallsItsFunctionOnce has the function fail as another file is replaced
// for ever, which says nothing of the one that it is called for.
func TestTransformCallsItsFunctionOnce(t *testing.T) {
	for way, opts := range ways {
		path, other := dataPath(t), dataPath(t)
		write(t, path, "old")
		write(t, other, "old")
		calls := 0
		err := lockedfile.Transform(bg, path, func([]byte) ([]byte, error) {
			calls++
			remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
				if op == fault.Lock {
					write(t, other+"2", "replaced")
					must(t, os.Rename(other+"2", other))
				}
				return nil
			}})
			defer remove()
			_, err := lockedfile.Read(bg, other, lockedfile.Itself())
			return nil, err
		}, opts...)
		want(t, err, filelock.ErrLocked)
		if calls != 1 {
			t.Errorf("%s: it has been called %d times", way, calls)
		}
		wantContent(t, path, "old")
	}
}

// TestLaw17CancelledWhileInTransform ends the context when there is nothing to
// wait for any more.
func TestLaw17CancelledWhileInTransform(t *testing.T) {
	for way, opts := range ways {
		path := dataPath(t)
		write(t, path, "old")
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		err := lockedfile.Transform(ctx, path, func([]byte) ([]byte, error) { cancel(); return []byte("new"), nil }, opts...)
		if got := content(t, path); (err == nil) != (got == "new") || err != nil && got != "old" {
			t.Errorf("%s: %v, but the content is %q", way, err, got)
		}
		wantFree(t, path)
		wantFree(t, path+".lock")
	}
}

// TestContentIsStoredBeforeItHasItsName looks at the order of what a power
// failure may otherwise change.
func TestContentIsStoredBeforeItHasItsName(t *testing.T) {
	path := dataPath(t)
	write(t, path, "old")
	write(t, path+".lock", "")
	var order []string
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		switch op {
		case fault.Create, fault.Write, fault.Chmod, fault.Sync, fault.Rename:
			order = append(order, string(op))
		}
		return nil
	}})
	err := lockedfile.Write(bg, path, strings.NewReader("new"), 0o666)
	remove()
	must(t, err)
	if got := strings.Join(order, " "); got != "create write chmod fsync rename fsync" {
		t.Errorf("the order is %s", got)
	}
}

// TestLaw01ServerIsAskedWhatTheFileIs: what it has said before may be of one that
// others have replaced while the lock was waited for.
func TestLaw01ServerIsAskedWhatTheFileIs(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "") // on no disk, so it may be a server's
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := dir + "/data"
	write(t, path, "old")
	var order []string
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, path string) error {
		if op == fault.Lock || op == fault.Stat {
			order = append(order, string(op)+" "+path)
		}
		return nil
	}})
	defer remove()
	must(t, openAndClose(lockedfile.Edit(bg, path, lockedfile.Itself())))
	i := slices.Index(order, "lock ")
	if i < 0 || !slices.Contains(order[i:], "stat "+dir+"/") {
		t.Errorf("%q", order)
	}
}
