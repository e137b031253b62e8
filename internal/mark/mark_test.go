package mark

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

var must = verify.NoError

func stillThere(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

const content = "content"

// leave makes a marker and returns what is seen of it.
func leave(t *testing.T) (path string, e Evidence) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "marker")
	must(t, os.WriteFile(path, []byte(content), 0o666))
	e, err := Inspect(path, 100)
	must(t, err)
	return path, e
}

// own makes a marker of this process.
func own(t *testing.T) (path string, o *Own) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "marker")
	o, err := Create(path, nil, []byte(content))
	must(t, err)
	t.Cleanup(func() { o.Close() })
	return path, o
}

// removers make a marker and return a function that removes it, of each kind
// that there is.
var removers = map[string]func(t *testing.T) (path string, remove func() (bool, error)){
	"Break": func(t *testing.T) (string, func() (bool, error)) {
		path, e := leave(t)
		return path, func() (bool, error) { return Break(path, e) }
	},
	"Own": func(t *testing.T) (string, func() (bool, error)) {
		path, o := own(t)
		return path, func() (bool, error) { return o.Remove(path) }
	},
}

func TestRemovesWhatWasInspected(t *testing.T) {
	for name, make := range removers {
		path, remove := make(t)
		if removed, err := remove(); !removed || err != nil {
			t.Errorf("%s: %v, %v", name, removed, err)
		}
		gone(t, path)
		if removed, err := remove(); removed || !errors.Is(err, ErrChanged) {
			t.Errorf("%s of what is gone: %v, %v", name, removed, err)
		}
	}
}

// TestLaw07AllOfTheEvidenceCounts has one thing be another than was inspected, and
// everything else be the same.
func TestLaw07AllOfTheEvidenceCounts(t *testing.T) {
	at := time.Unix(2e9, 0)
	dated := func(path, content string) error {
		return errors.Join(os.WriteFile(path, []byte(content), 0o666), os.Chtimes(path, at, at))
	}
	for what, change := range map[string]func(path string) error{
		"the content": func(path string) error { return dated(path, "CONTENT") },
		"the time":    func(path string) error { return os.Chtimes(path, at, at.Add(time.Second)) },
		"the number": func(path string) error {
			return errors.Join(dated(path+"2", content), os.Rename(path+"2", path))
		},
	} {
		path, _ := leave(t)
		must(t, dated(path, content))
		e, err := Inspect(path, 100)
		must(t, err)
		must(t, change(path))
		for name, breaks := range map[string]func(string, Evidence) (bool, error){"Break": Break, "BreakUnguarded": BreakUnguarded} {
			if removed, err := breaks(path, e); removed || !errors.Is(err, ErrChanged) {
				t.Errorf("%s, %s is another: %v, %v", name, what, removed, err)
			}
		}
		stillThere(t, path)
	}
}

// TestLaw07MarkerIsKnownByItsOtherName: one that says nothing is like any other.
func TestLaw07MarkerIsKnownByItsOtherName(t *testing.T) {
	path, e := leave(t)
	e.Name = path + "2"
	if removed, err := Break(path, e); removed || !errors.Is(err, ErrChanged) {
		t.Errorf("without the other name: %v, %v", removed, err)
	}
	must(t, os.WriteFile(e.Name, []byte(content), 0o666))
	if removed, err := Break(path, e); removed || !errors.Is(err, ErrChanged) {
		t.Errorf("the other name is another file's: %v, %v", removed, err)
	}
	stillThere(t, path)
	must(t, os.Remove(e.Name))
	must(t, os.Link(path, e.Name))
	if removed, err := Break(path, e); !removed || err != nil {
		t.Errorf("it is the one: %v, %v", removed, err)
	}
}

func TestSparesASuccessor(t *testing.T) {
	for name, make := range removers {
		for how, replace := range map[string]func(path string) error{
			"another file": func(path string) error {
				return errors.Join(os.WriteFile(path+"2", []byte("content2"), 0o666), os.Remove(path), os.Rename(path+"2", path))
			},
			"the same file with other content": func(path string) error {
				return os.WriteFile(path, []byte("content2"), 0o666)
			},
			"the same file with as much other content": func(path string) error {
				return os.WriteFile(path, []byte("CONTENT"), 0o666)
			},
			"the same file with more content": func(path string) error {
				return os.WriteFile(path, []byte("content and more"), 0o666)
			},
			"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o777)) },
			"nothing":     func(path string) error { return os.Rename(path, path+"2") },
			"no directory": func(path string) error {
				dir := filepath.Dir(path)
				return errors.Join(os.Rename(dir, dir+"2"), os.WriteFile(dir, nil, 0o666))
			},
		} {
			path, remove := make(t)
			must(t, replace(path))
			if removed, err := remove(); removed || !errors.Is(err, ErrChanged) {
				t.Errorf("%s, %s: %v, %v", name, how, removed, err)
			}
			if how[:2] != "no" {
				stillThere(t, path)
			}
		}
	}
}

// TestBreakWantsTheSameFile: a record of another program may be the same
// as that of its successor.
func TestBreakWantsTheSameFile(t *testing.T) {
	for how, replace := range map[string]func(path string) error{
		"another file with the same content": func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.WriteFile(path, []byte(content), 0o666))
		},
		"another time": func(path string) error {
			later := time.Now().Add(time.Hour)
			return os.Chtimes(path, later, later)
		},
	} {
		path, e := leave(t)
		must(t, replace(path))
		if removed, err := Break(path, e); removed || !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v, %v", how, removed, err)
		}
		stillThere(t, path)
	}
}

// TestOwnIsKnownByItsContent: of one's own there is no other.
func TestOwnIsKnownByItsContent(t *testing.T) {
	for how, change := range map[string]func(path string) error{
		"another time": func(path string) error {
			later := time.Now().Add(time.Hour)
			return os.Chtimes(path, later, later)
		},
		"another number": func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.WriteFile(path, []byte(content), 0o666))
		},
	} {
		path, o := own(t)
		must(t, change(path))
		must(t, o.At(path))
		if removed, err := o.Remove(path); !removed || err != nil {
			t.Errorf("%s: %v, %v", how, removed, err)
		}
		gone(t, path)
		if err := o.At(path); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: what is gone is at its path: %v", how, err)
		}
	}
}

func TestInspectReadsNoMoreThanItMust(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(1<<40)) // sparse
	must(t, f.Close())
	e, err := Inspect(path, 10)
	if err != nil || len(e.Content) != 11 {
		t.Errorf("read %d bytes, %v", len(e.Content), err)
	}
}

func TestInspectOfNothing(t *testing.T) {
	if _, err := Inspect(filepath.Join(t.TempDir(), "x"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Inspect returned %v", err)
	}
}

func TestWhoeverIsAtItIsNotDisturbed(t *testing.T) {
	for name, make := range removers {
		path, remove := make(t)
		f, err := sys.Open(path, sys.ReadOnly)
		must(t, err)
		if err := f.TryLock(false); errors.Is(err, sys.ErrNoLocks) {
			t.Skip("this system has no locks")
		}
		if removed, err := remove(); removed || !errors.Is(err, sys.ErrBusy) {
			t.Errorf("%s: %v, %v", name, removed, err)
		}
		stillThere(t, path)
		must(t, f.Unlock())
		must(t, f.Close())
		if removed, err := remove(); !removed || err != nil {
			t.Errorf("%s afterwards: %v, %v", name, removed, err)
		}
	}
}

// TestLaw11FailureLeavesNoFile fails each operation of making a marker.
func TestLaw11FailureLeavesNoFile(t *testing.T) {
	mode := fs.FileMode(0o640)
	failed := errors.New("failed")
	for n := 1; ; n++ {
		path := filepath.Join(t.TempDir(), "marker")
		count := 0
		remove := fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if count++; count == n {
				return failed
			}
			return nil
		}})
		o, err := Create(path, &mode, []byte(content))
		remove()
		if err == nil {
			must(t, o.Close())
			if n < 4 {
				t.Errorf("there are %d operations only", n-1)
			}
			return
		}
		if !errors.Is(err, failed) {
			t.Errorf("operation %d: %v", n, err)
		}
		gone(t, path)
	}
}

// TestWhatIsRemovedIsNotRemovedAgain though something else is in use, as the second name
// of a file on Windows.
func TestWhatIsRemovedIsNotRemovedAgain(t *testing.T) {
	for _, busy := range []int{0, 3} {
		calls := 0
		removed, err := Persist(context.Background(), func() (bool, error) {
			calls++
			return calls > busy, sys.ErrBusy
		})
		if !removed || !errors.Is(err, sys.ErrBusy) || calls != busy+1 {
			t.Errorf("%v, %v after %d calls", removed, err, calls)
		}
	}
}
