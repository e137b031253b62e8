package lockedfile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lockedfile"
)

// roles are those that the tests start processes in; other files add theirs.
var roles = map[string]testproc.Role{}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

var bg = context.Background()

var must, want = verify.NoError, verify.Is

func dataPath(t testing.TB) string { return filepath.Join(t.TempDir(), "data") }

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o666))
}

func content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func wantContent(t testing.TB, path, want string) {
	t.Helper()
	if got := content(t, path); got != want {
		t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

// ways are the two files that can be locked.
var ways = map[string][]filelock.FileOption{
	"beside": nil,
	"itself": {lockedfile.Itself()},
}

func eachWay(t *testing.T, test func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			test(t, dataPath(t), func(opts ...filelock.FileOption) []filelock.FileOption { return append(opts, way...) })
		})
	}
}

func TestReadersShareAndWritersDoNot(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		opts := with(filelock.NonBlocking(), filelock.Exclusive(), filelock.Shared()) // which change nothing
		write(t, path, "content")
		reader, err := lockedfile.Open(bg, path, opts...)
		must(t, err)
		another, err := lockedfile.Open(bg, path, opts...)
		must(t, err)
		wantWritersLocked(t, path, opts)
		b, err := lockedfile.Read(bg, path, opts...)
		if string(b) != "content" || err != nil {
			t.Errorf("Read: %q, %v", b, err)
		}
		must(t, reader.Close())
		wantWritersLocked(t, path, opts)
		must(t, another.Close())

		writer, err := lockedfile.Edit(bg, path, opts...)
		must(t, err)
		wantWritersLocked(t, path, opts)
		_, err = lockedfile.Open(bg, path, opts...)
		want(t, err, filelock.ErrLocked)
		_, err = lockedfile.Read(bg, path, opts...)
		want(t, err, filelock.ErrLocked)
		must(t, writer.Close())
		wantContent(t, path, "content")
	})
}

func wantWritersLocked(t *testing.T, path string, opts []filelock.FileOption) {
	t.Helper()
	unexpected := func([]byte) ([]byte, error) { t.Error("Transform has got the lock"); return nil, nil }
	for what, err := range map[string]error{
		"Create":    ignore(lockedfile.Create(bg, path, opts...)),
		"Edit":      ignore(lockedfile.Edit(bg, path, opts...)),
		"append":    ignore(lockedfile.OpenFile(bg, path, os.O_WRONLY|os.O_APPEND, 0, opts...)),
		"Write":     lockedfile.Write(bg, path, strings.NewReader("x"), 0o666, opts...),
		"Transform": lockedfile.Transform(bg, path, unexpected, opts...),
	} {
		if !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func ignore(_ *lockedfile.File, err error) error { return err }

func TestFilesAreOpenedAsTheirNamesSay(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		_, err := lockedfile.Open(bg, path, with()...)
		want(t, err, fs.ErrNotExist)
		wantFiles(t, path)
		f, err := lockedfile.Create(bg, path, with()...)
		must(t, err)
		_, err = f.WriteString("first")
		must(t, errors.Join(err, f.Close()))
		wantContent(t, path, "first")

		f, err = lockedfile.Edit(bg, path, with()...)
		must(t, err)
		b, err := io.ReadAll(f)
		must(t, err)
		_, err = f.WriteString(" and second")
		must(t, errors.Join(err, f.Close()))
		wantContent(t, path, string(b)+" and second")

		f, err = lockedfile.OpenFile(bg, path, os.O_WRONLY|os.O_APPEND, 0, with()...)
		must(t, err)
		_, err = f.WriteString(" and third")
		must(t, errors.Join(err, f.Close()))
		wantContent(t, path, "first and second and third")

		_, err = lockedfile.OpenFile(bg, path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666, with()...)
		want(t, err, fs.ErrExist)
		f, err = lockedfile.Open(bg, path, with()...)
		must(t, err)
		if _, err := f.WriteString("x"); err == nil {
			t.Error("a file that is open for reading was written")
		}
		must(t, f.Close())
		f, err = lockedfile.Create(bg, path, with()...)
		must(t, errors.Join(err, f.Close()))
		wantContent(t, path, "")
	})
}

// TestModes opens files as Python's modes do, of which zc.lockfile's LockedFile
// knows all.
func TestModes(t *testing.T) {
	modes := map[string]struct {
		flag             int
		missing, present string // what is there after writing "new" to nothing, and over "old"
	}{
		"r":  {os.O_RDONLY, "", "old"},
		"r+": {os.O_RDWR, "", "new"},
		"w":  {os.O_WRONLY | os.O_CREATE | os.O_TRUNC, "new", "new"},
		"w+": {os.O_RDWR | os.O_CREATE | os.O_TRUNC, "new", "new"},
		"a":  {os.O_WRONLY | os.O_CREATE | os.O_APPEND, "new", "oldnew"},
		"a+": {os.O_RDWR | os.O_CREATE | os.O_APPEND, "new", "oldnew"},
		"x":  {os.O_WRONLY | os.O_CREATE | os.O_EXCL, "new", "old"},
		"x+": {os.O_RDWR | os.O_CREATE | os.O_EXCL, "new", "old"},
	}
	for mode, m := range modes {
		eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
			for _, old := range []string{"", "old"} {
				expect := m.missing
				if old != "" {
					expect = m.present
					write(t, path, old)
				}
				f, err := lockedfile.OpenFile(bg, path, m.flag, 0o666, with()...)
				switch {
				case old == "" && m.flag&os.O_CREATE == 0:
					want(t, err, fs.ErrNotExist)
				case old != "" && m.flag&os.O_EXCL != 0:
					want(t, err, fs.ErrExist)
				default:
					must(t, err)
					if _, err := f.WriteString("new"); (err == nil) != (m.flag != os.O_RDONLY) {
						t.Errorf("%s: writing: %v", mode, err)
					}
					_, err := lockedfile.Read(bg, path, with(filelock.NonBlocking())...)
					if (err == nil) != (m.flag == os.O_RDONLY) || err != nil && !errors.Is(err, filelock.ErrLocked) {
						t.Errorf("%s: reading meanwhile: %v", mode, err)
					}
					must(t, f.Close())
				}
				if got, err := os.ReadFile(path); string(got) != expect || err != nil && expect != "" {
					t.Errorf("%s over %q: %q, %v", mode, old, got, err)
				}
				if old == "" {
					os.Remove(path)
				}
			}
		})
	}
}

func TestLaw14SecondCloseIsHarmless(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		f, err := lockedfile.Create(bg, path, with()...)
		must(t, err)
		must(t, f.Close())
		next, err := lockedfile.Create(bg, path, with()...)
		must(t, err)
		err = f.Close()
		want(t, err, fs.ErrClosed)
		if pathErr := new(fs.PathError); !errors.As(err, &pathErr) || pathErr.Path != path {
			t.Errorf("the error does not name the file: %v", err)
		}
		_, err = lockedfile.Open(bg, path, with(filelock.NonBlocking())...)
		want(t, err, filelock.ErrLocked) // by next
		must(t, next.Close())
	})
}

// TestNobodyClosesPastClose looks for a way to the open file within.
func TestNobodyClosesPastClose(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[lockedfile.File]()) {
		if field.IsExported() {
			t.Errorf("others can reach %s", field.Name)
		}
	}
}

func TestLaw17CancelledOpeningLeavesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		f, err := lockedfile.Create(bg, path, with()...)
		must(t, err)
		ctx, cancel := context.WithCancel(bg)
		done := make(chan error, 3)
		go func() { done <- ignore(lockedfile.Open(ctx, path, with()...)) }()
		go func() { done <- lockedfile.Write(ctx, path, strings.NewReader("x"), 0o666, with()...) }()
		go func() { done <- ignore(lockedfile.Create(ctx, path, with()...)) }()
		cancel()
		for range cap(done) {
			want(t, <-done, context.Canceled)
		}
		_, err = lockedfile.Edit(bg, path, with(filelock.WithTimeout(10*time.Millisecond))...)
		want(t, err, filelock.ErrTimeout)
		must(t, f.Close())
		f, err = lockedfile.Edit(bg, path, with(filelock.NonBlocking())...)
		must(t, err) // nobody has got it later
		must(t, f.Close())
		wantContent(t, path, "")
	})
}

func TestLaw20ErrorsAreToldApart(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		missing := filepath.Join(path, "sub", "data")
		for what, c := range map[string]struct {
			err, is error
		}{
			"no file":              {ignore(lockedfile.Open(bg, path, with()...)), fs.ErrNotExist},
			"no directory":         {ignore(lockedfile.Create(bg, missing, with()...)), fs.ErrNotExist},
			"no path":              {ignore(lockedfile.Create(bg, "", with()...)), fs.ErrInvalid},
			"a NUL byte":           {ignore(lockedfile.Create(bg, "a\x00b", with()...)), fs.ErrInvalid},
			"a directory's path":   {ignore(lockedfile.Create(bg, path+"/", with()...)), fs.ErrInvalid},
			"a directory":          {ignore(lockedfile.Open(bg, filepath.Dir(path), with()...)), fs.ErrInvalid},
			"write a directory":    {lockedfile.Write(bg, filepath.Dir(path), strings.NewReader(""), 0o666, with()...), fs.ErrInvalid},
			"truncate for reading": {ignore(lockedfile.OpenFile(bg, path, os.O_TRUNC, 0, with()...)), fs.ErrInvalid},
			"a mode with a type":   {lockedfile.Write(bg, path, strings.NewReader(""), fs.ModeDir, with()...), fs.ErrInvalid},
			"a negative pause":     {ignore(lockedfile.Create(bg, path, with(filelock.WithPollInterval(-1))...)), fs.ErrInvalid},
		} {
			if !errors.Is(c.err, c.is) || errors.Is(c.err, filelock.ErrLocked) {
				t.Errorf("%s: %v", what, c.err)
			}
		}
	})
}

// TestErrorNamesTheHolder has one who does not wait ask later who it was.
func TestErrorNamesTheHolder(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		f, err := lockedfile.Edit(bg, path, with()...)
		must(t, err)
		for what, try := range map[string]func(opts ...filelock.FileOption) error{
			"Edit": func(opts ...filelock.FileOption) error { return ignore(lockedfile.Edit(bg, path, opts...)) },
			"Write": func(opts ...filelock.FileOption) error {
				return lockedfile.Write(bg, path, strings.NewReader("x"), 0o666, opts...)
			},
		} {
			err, ok := try(with(filelock.NonBlocking())...).(*filelock.LockError)
			if !ok {
				t.Fatalf("%s fails with %T", what, err)
			}
			if h, ok := err.Holder(); !ok || h.PID != os.Getpid() {
				t.Errorf("%s: the holder is %v, %v", what, h, ok)
			}
		}
		must(t, f.Close())
	})
}

func TestItselfHasNoLockFile(t *testing.T) {
	path := dataPath(t)
	for what, o := range map[string]filelock.FileOption{
		"WithContent": filelock.WithContent(" {pid}\n"), "WithRemove": filelock.WithRemove(),
		"WithMode": filelock.WithMode(0o600), "WithParents": filelock.WithParents(0o700), "WithRecordLocks": filelock.WithRecordLocks(),
	} {
		if _, err := lockedfile.Create(bg, path, lockedfile.Itself(), o); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	want(t, lockedfile.Do(bg, path, nil, lockedfile.Itself()), fs.ErrInvalid)
	_, err := filelock.New(path, lockedfile.Itself()).Acquire(bg)
	want(t, err, fs.ErrInvalid)
	must(t, lockedfile.Write(bg, path, strings.NewReader("content"), 0o666, lockedfile.Itself()))
	wantFiles(t, path, "data")
}

// wantFiles makes sure of what there is beside path, itself included.
func wantFiles(t testing.TB, path string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("there is %v, want %v", names, want)
	}
}

// TestLaw22NothingIsTouchedBeforeTheLockIsHeld would lose the content if the
// file were emptied by whoever has to wait.
func TestLaw22NothingIsTouchedBeforeTheLockIsHeld(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		write(t, path, "content")
		before, err := os.Stat(path)
		must(t, err)
		f, err := lockedfile.Open(bg, path, with()...)
		must(t, err)
		wantWritersLocked(t, path, with(filelock.NonBlocking()))
		after, err := os.Stat(path)
		must(t, err)
		if !os.SameFile(before, after) || before.ModTime() != after.ModTime() || before.Mode() != after.Mode() {
			t.Errorf("the file was %v, and is %v", before, after)
		}
		wantContent(t, path, "content")
		must(t, f.Close())
	})
}

func TestWriteReplacesAndTransformReads(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		grow := func(old []byte) ([]byte, error) { return append([]byte("more and "), old...), nil }
		must(t, lockedfile.Transform(bg, path, grow, with()...)) // there is none
		wantContent(t, path, "more and ")
		must(t, lockedfile.Write(bg, path, strings.NewReader("content"), 0o666, with()...))
		wantContent(t, path, "content")
		must(t, lockedfile.Transform(bg, path, grow, with()...))
		wantContent(t, path, "more and content")
		shrink := func(old []byte) ([]byte, error) { return old[:4], nil }
		must(t, lockedfile.Transform(bg, path, shrink, with()...))
		wantContent(t, path, "more")

		odd := errors.New("odd")
		want(t, lockedfile.Transform(bg, path, func([]byte) ([]byte, error) { return []byte("x"), odd }, with()...), odd)
		want(t, lockedfile.Write(bg, path, iotest.ErrReader(odd), 0o666, with()...), odd)
		func() {
			defer func() { recover() }()
			lockedfile.Transform(bg, path, func([]byte) ([]byte, error) { panic("odd") }, with()...)
		}()
		wantContent(t, path, "more")
		f, err := lockedfile.Edit(bg, path, with(filelock.NonBlocking())...)
		must(t, err) // all have given the lock back
		must(t, f.Close())
	})
}

// TestWriteReadsBeforeItLocks has the reader take the lock of the file.
// TestLaw01TransformStaysInItsDirectory has the function that is called change the
// working directory, in which a relative path is another file then.
func TestLaw01TransformStaysInItsDirectory(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		dir, elsewhere := filepath.Dir(path), t.TempDir()
		write(t, path, "old")
		t.Chdir(dir)
		must(t, lockedfile.Transform(bg, filepath.Base(path), func([]byte) ([]byte, error) {
			return []byte("new"), os.Chdir(elsewhere)
		}, with()...))
		wantContent(t, path, "new")
		if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
			t.Errorf("in the other directory there is %v, %v", left, err)
		}
	})
}

func TestWriteReadsBeforeItLocks(t *testing.T) {
	path := dataPath(t)
	write(t, path, "content")
	r, w := io.Pipe()
	go func() {
		b, err := lockedfile.Read(bg, path, filelock.NonBlocking())
		w.Write(append(b, " twice"...))
		w.CloseWithError(err)
	}()
	must(t, lockedfile.Write(bg, path, r, 0o666))
	wantContent(t, path, "content twice")
}

func TestDoIsOneStepForMany(t *testing.T) {
	path := dataPath(t)
	opts := []filelock.FileOption{filelock.WithTimeout(0), filelock.WithContent(" {pid}\n")}
	must(t, lockedfile.Do(bg, path, func(ctx context.Context) error {
		must(t, lockedfile.Write(ctx, path, strings.NewReader("content"), 0o666))
		b, err := lockedfile.Read(ctx, path)
		if string(b) != "content" || err != nil {
			t.Errorf("Read: %q, %v", b, err)
		}
		f, err := lockedfile.Edit(ctx, path)
		must(t, err)
		_, err = lockedfile.Read(f.Context(), path)
		must(t, errors.Join(err, f.Close()))
		_, err = lockedfile.Read(bg, path, opts...) // a stranger
		want(t, err, filelock.ErrLocked)
		want(t, lockedfile.Do(bg, path, func(context.Context) error { return nil }, opts...), filelock.ErrLocked)
		return nil
	}, opts...))
	f, err := lockedfile.Open(bg, path)
	must(t, err)
	want(t, lockedfile.Write(f.Context(), path, strings.NewReader("x"), 0o666), filelock.ErrUpgrade)
	must(t, f.Close())
}

// TestGoroutinesOfOneOwnerTakeTurns has them all share the hold of a Do, and so
// the name of the temporary file.
func TestGoroutinesOfOneOwnerTakeTurns(t *testing.T) {
	path := dataPath(t)
	const n = 50
	must(t, lockedfile.Do(bg, path, func(ctx context.Context) error {
		done := make(chan error)
		for i := range n {
			text := strings.Repeat(string(rune('a'+i%26)), 10_000+i)
			go func() { done <- lockedfile.Write(ctx, path, strings.NewReader(text), 0o666) }()
		}
		var errs []error
		for range n {
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	}))
	got := content(t, path)
	if len(got) < 10_000 || strings.Trim(got, got[:1]) != "" {
		t.Errorf("the content is of %d bytes, mixed", len(got))
	}
	wantFiles(t, path, "data", "data.lock")
}

func TestLockFileIsTheOneBeside(t *testing.T) {
	path := dataPath(t)
	f, err := lockedfile.Create(bg, path, filelock.WithContent(" {pid};{hostname}\n"))
	must(t, err)
	_, err = filelock.New(path + ".lock").TryAcquire(bg)
	want(t, err, filelock.ErrLocked)
	if runtime.GOOS != "windows" { // the first byte is locked there
		if got := content(t, path+".lock"); !strings.HasPrefix(got, " ") || !strings.Contains(got, ";") {
			t.Errorf("the lock file holds %q", got)
		}
	}
	h, err := filelock.New(path).TryAcquire(bg) // the file itself is not locked
	must(t, err)
	must(t, h.Release())
	must(t, f.Close())
	wantFiles(t, path, "data", "data.lock")
}
