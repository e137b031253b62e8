//go:build unix

package mark

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
)

func TestWithoutLocksOnlyOnesOwnIsRemoved(t *testing.T) {
	path, e := leave(t)
	ownPath, o := own(t)
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lock {
			return unix.ENOLCK
		}
		return nil
	}})()
	if removed, err := Break(path, e); removed || !errors.Is(err, sys.ErrNoLocks) {
		t.Errorf("Break: %v, %v", removed, err)
	}
	stillThere(t, path)
	if removed, err := o.Remove(ownPath); !removed || err != nil {
		t.Errorf("Own: %v, %v", removed, err)
	}
	gone(t, ownPath)
}

// TestOwnNeedsNoDescriptor would fail if anything had to be opened in order to
// give a marker back.
func TestOwnNeedsNoDescriptor(t *testing.T) {
	path, o := own(t)
	must(t, os.Chmod(path, 0))
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Open {
			return unix.EMFILE
		}
		return nil
	}})()
	if removed, err := o.Remove(path); !removed || err != nil {
		t.Errorf("%v, %v", removed, err)
	}
}

// TestInspectOpensFilesOnly would hang on a FIFO, and follow a link.
func TestInspectOpensFilesOnly(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	must(t, os.WriteFile(target, []byte("secret"), 0o666))
	must(t, os.Symlink(target, filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
	for _, path := range []string{filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), dir, os.DevNull} {
		opened := false
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			opened = opened || op == fault.Open
			return nil
		}})
		e, err := Inspect(path, 100)
		remove()
		if err != nil || e.Info.Mode.IsRegular() || e.Content != nil || opened {
			t.Errorf("%s: %+v, %v, opened %v", path, e, err, opened)
		}
	}
}

// TestPathIsLookedAtBeforeTheContent has a holder release its marker just before
// Break gets the flock, and at every step after that put a new record into the
// file, which has no name meanwhile, and link it again.
func TestPathIsLookedAtBeforeTheContent(t *testing.T) {
	for n := 1; ; n++ {
		path, e := leave(t)
		locked, step, relinked := false, 0, false
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Lock {
				locked = true
				return os.Rename(path, path+".claim")
			}
			if !locked {
				return nil
			}
			if step++; step != n {
				return nil
			}
			relinked = true
			// With the system's own calls, to pass by this plan.
			fd, err := unix.Open(path+".claim", unix.O_WRONLY, 0)
			if err == nil {
				_, err = unix.Pwrite(fd, []byte("another"), 0)
				err = errors.Join(err, unix.Close(fd), os.Link(path+".claim", path))
			}
			return err
		}})
		removed, err := Break(path, e)
		remove()
		if removed || !errors.Is(err, ErrChanged) {
			t.Errorf("relinked at step %d: %v, %v", n, removed, err)
		}
		if !relinked {
			if n < 3 {
				t.Errorf("Break took %d steps after the flock", n-1)
			}
			return
		}
		stillThere(t, path)
	}
}

// TestMarkerIsFlushedBeforeItHasAName: some file systems store a file when it is
// closed, and find out then that there is no room for it.
func TestMarkerIsFlushedBeforeItHasAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "marker")
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Close && err == nil {
			return unix.EDQUOT
		}
		return err
	}})
	_, err := Create(path, nil, []byte(content))
	remove()
	if !errors.Is(err, unix.EDQUOT) {
		t.Errorf("Create returned %v", err)
	}
	gone(t, path)
}

// elsewhere has the marker at path get another number, as some file systems
// give it each time.
func elsewhere(t *testing.T, path string) {
	t.Helper()
	must(t, os.Rename(path, path+"2"))
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

// TestLookThatFailsSaysNothing fails each operation of the second look that a
// marker of another number is given.
func TestLookThatFailsSaysNothing(t *testing.T) {
	for n := 1; ; n++ {
		path, o := own(t)
		elsewhere(t, path)
		count := 0
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if count++; count == n {
				return unix.EIO
			}
			return nil
		}})
		removed, err := o.Remove(path)
		remove()
		if errors.Is(err, ErrChanged) {
			t.Errorf("operation %d fails, and the marker counts as lost", n)
		}
		if count < n {
			if !removed || err != nil || n < 10 {
				t.Errorf("%d operations: %v, %v", count, removed, err)
			}
			return
		}
	}
}

// unreadable calls do while no file may be opened, for either reason that there is.
// The file system may be one of which nothing is known.
func unreadable(known bool, do func(refusal error)) {
	for _, refusal := range []error{unix.EACCES, sys.ErrBusy} {
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			switch {
			case op == fault.Open:
				return refusal
			case op == fault.Statfs && !known:
				return unix.EIO
			}
			return nil
		}})
		do(refusal)
		remove()
	}
}

// TestLaw20UnreadableMarkerIsAnothers if its number is another one, where numbers are
// known to be kept, and otherwise if its owner is. If neither is so it may be ours.
func TestLaw20UnreadableMarkerIsAnothers(t *testing.T) {
	const here, seen, unknown = "on a disk", "seen by another name", "unknown" // the file system
	for _, system := range []string{here, seen, unknown} {
		for _, owner := range []int{os.Getuid(), testproc.Nobody} {
			path, o := own(t)
			must(t, o.At(path)) // the name that was opened has its number everywhere
			if second := path + ".second"; system == seen {
				must(t, os.Link(path, second))
				must(t, o.At(second))
			}
			elsewhere(t, path)
			os.Chown(path, owner, -1) // if that may be
			at, err := sys.Lstat(path)
			must(t, err)
			another := system != unknown || at.Owner != o.info.Owner
			unreadable(system == here, func(refusal error) {
				if err := o.At(path); errors.Is(err, ErrChanged) != another || err == nil {
					t.Errorf("%s, owner %d, %v: At: %v", system, at.Owner, refusal, err)
				}
				if err := o.Settle(path, fs.ErrExist); errors.Is(err, fs.ErrExist) != another || err == nil {
					t.Errorf("%s, owner %d, %v: Settle: %v", system, at.Owner, refusal, err)
				}
			})
		}
	}
}

// TestLaw13OwnMarkerOfAnotherOwnerIsOurs: it has been given away since it was made, on a
// file system that gives each name a number of its own.
func TestLaw13OwnMarkerOfAnotherOwnerIsOurs(t *testing.T) {
	path, o := own(t)
	other := path + ".other"
	must(t, os.WriteFile(other, []byte(content), 0o666))
	if os.Chown(path, testproc.Nobody, -1) != nil || os.Chown(other, testproc.Nobody, -1) != nil {
		t.Skip("only root can give a file away")
	}
	unreadable(false, func(refusal error) {
		if err := o.At(other); err == nil || errors.Is(err, ErrChanged) {
			t.Errorf("%v: %v", refusal, err)
		}
	})
}

// TestLaw20UnreadableSuccessorIsNoFailure: the marker that was inspected has gone, and
// the next one is another user's.
func TestLaw20UnreadableSuccessorIsNoFailure(t *testing.T) {
	for name, breaks := range map[string]func(string, Evidence) (bool, error){"Break": Break, "BreakUnguarded": BreakUnguarded} {
		for how, replace := range map[string]func(path string) error{
			"not at all":           func(string) error { return nil },
			"by another":           func(path string) error { return os.Rename(path+".next", path) },
			"by one of its number": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(2e9, 0)) },
		} {
			path, e := leave(t)
			must(t, os.WriteFile(path+".next", nil, 0o666))
			must(t, replace(path))
			unreadable(true, func(refusal error) {
				want := refusal
				if refusal == unix.EACCES && how != "not at all" {
					want = ErrChanged
				}
				if removed, err := breaks(path, e); removed || !errors.Is(err, want) {
					t.Errorf("%s, replaced %s, %v: %v, %v", name, how, refusal, removed, err)
				}
			})
		}
	}
}

// TestWithdrawTriesTwice has no descriptor for a second look.
func TestWithdrawTriesTwice(t *testing.T) {
	path, o := own(t)
	elsewhere(t, path)
	first := true
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Open && first {
			first = false
			return unix.EMFILE
		}
		return nil
	}})
	err := o.Withdraw(path)
	remove()
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("Withdraw returned %v", err)
	}
	gone(t, path)
}

// TestStaleAnswerSaysNothing: the marker may be there the next time.
func TestStaleAnswerSaysNothing(t *testing.T) {
	path, o := own(t)
	restore := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lstat {
			return unix.ESTALE
		}
		return nil
	}})
	errAt := o.At(path)
	removed, errRemove := o.Remove(path)
	restore()
	for _, err := range []error{errAt, errRemove} {
		if !errors.Is(err, unix.ESTALE) || errors.Is(err, ErrChanged) {
			t.Errorf("it says %v", err)
		}
	}
	if removed {
		t.Error("it counts as removed")
	}
	remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lstat {
			return unix.ESTALE
		}
		return nil
	}})
	_, err := Look(path, 100)
	remove()
	if !errors.Is(err, unix.ESTALE) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("whoever looks hears %v", err)
	}
	stillThere(t, path)
}

// TestRemovalWithoutReplyIsOne: others may have the lock by then.
func TestRemovalWithoutReplyIsOne(t *testing.T) {
	for name, make := range removers {
		path, remove := make(t)
		restore := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
			if op == fault.Unlink && err == nil {
				return unix.EIO
			}
			return err
		}})
		removed, err := remove()
		restore()
		if !removed || err != nil {
			t.Errorf("%s: %v, %v", name, removed, err)
		}
		gone(t, path)
	}
}

// TestClaimThatIsMadeWithoutReplyGoes: nobody would know of it.
func TestClaimThatIsMadeWithoutReplyGoes(t *testing.T) {
	for _, errno := range []error{unix.EIO, unix.EEXIST} {
		path := filepath.Join(t.TempDir(), "claim")
		restore := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op != fault.Create {
				return nil
			}
			return errors.Join(os.WriteFile(path, nil, 0o666), errno)
		}})
		_, err := CreateClaim(path, nil, []byte(content))
		restore()
		if err == nil || errors.Is(err, fs.ErrExist) {
			t.Errorf("CreateClaim returned %v", err)
		}
		gone(t, path)
	}
}
