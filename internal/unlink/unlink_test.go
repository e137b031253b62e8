package unlink

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock/internal/sys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mark makes a marker and returns what is seen of it.
func mark(t *testing.T, content string) (path string, e Evidence) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "marker")
	must(t, os.WriteFile(path, []byte(content), 0o666))
	e, err := Inspect(path, 100)
	must(t, err)
	return path, e
}

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

// removers are the two functions of this package.
var removers = map[string]func(string, Evidence) (bool, error){"Break": Break, "Own": Own}

func TestRemovesWhatWasInspected(t *testing.T) {
	for name, remove := range removers {
		path, e := mark(t, "content")
		if string(e.Content) != "content" || !e.Info.Mode.IsRegular() {
			t.Errorf("the evidence is %+v", e)
		}
		if removed, err := remove(path, e); !removed || err != nil {
			t.Errorf("%s: %v, %v", name, removed, err)
		}
		gone(t, path)
		if removed, err := remove(path, e); removed || !errors.Is(err, ErrChanged) {
			t.Errorf("%s of what is gone: %v, %v", name, removed, err)
		}
	}
}

func TestSparesASuccessor(t *testing.T) {
	for name, remove := range removers {
		for how, replace := range map[string]func(path string, e Evidence) error{
			"another file": func(path string, _ Evidence) error {
				return errors.Join(os.WriteFile(path+"2", []byte("content2"), 0o666), os.Remove(path), os.Rename(path+"2", path))
			},
			"another file with the same content": func(path string, e Evidence) error {
				return errors.Join(os.Rename(path, path+"2"), os.WriteFile(path, e.Content, 0o666))
			},
			"the same file with other content": func(path string, _ Evidence) error {
				return os.WriteFile(path, []byte("content2"), 0o666)
			},
			"the same file with more content": func(path string, _ Evidence) error {
				return os.WriteFile(path, []byte("content and more"), 0o666)
			},
			"nothing": func(path string, _ Evidence) error { return os.Rename(path, path+"2") },
		} {
			path, e := mark(t, "content")
			must(t, replace(path, e))
			if removed, err := remove(path, e); removed || !errors.Is(err, ErrChanged) {
				t.Errorf("%s, %s: %v, %v", name, how, removed, err)
			}
			if how != "nothing" {
				stillThere(t, path)
			}
		}
	}
}

func TestTimesCountUnlessTheContentIsUnique(t *testing.T) {
	path, e := mark(t, "content")
	later := time.Now().Add(time.Hour)
	must(t, os.Chtimes(path, later, later))
	if removed, err := Break(path, e); removed || !errors.Is(err, ErrChanged) {
		t.Errorf("Break of a marker that was touched: %v, %v", removed, err)
	}
	stillThere(t, path)
	if removed, err := Own(path, e); !removed || err != nil {
		t.Errorf("Own of a marker that was touched: %v, %v", removed, err)
	}
	gone(t, path)
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
	for name, remove := range removers {
		path, e := mark(t, "content")
		f, err := sys.Open(path, sys.ReadOnly)
		must(t, err)
		if err := f.TryLock(false); errors.Is(err, sys.ErrNoLocks) {
			t.Skip("this system has no locks")
		}
		if removed, err := remove(path, e); removed || !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v, %v", name, removed, err)
		}
		stillThere(t, path)
		must(t, f.Unlock())
		must(t, f.Close())
		if removed, err := remove(path, e); !removed || err != nil {
			t.Errorf("%s afterwards: %v, %v", name, removed, err)
		}
	}
}
