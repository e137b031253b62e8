package address

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestKeyIsTheSameForEverySpelling(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("sub", 0o777); err != nil {
		t.Fatal(err)
	}
	spellings := []string{
		"x.lock",
		"./x.lock",
		"sub/../x.lock",
		filepath.Join(dir, "x.lock"),
		dir + string(filepath.Separator) + string(filepath.Separator) + "x.lock",
	}
	if runtime.GOOS != "windows" { // wine makes no links
		if err := os.Symlink(dir, "link"); err != nil {
			t.Fatal(err)
		}
		spellings = append(spellings, "link/x.lock")
	}
	want, err := KeyOf("k", spellings[0]).Get()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range spellings {
		got, err := KeyOf("k", path).Get()
		if err != nil || got != want {
			t.Errorf("Key(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
}

func TestKeyDiffers(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("sub", 0o777); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, c := range []struct{ kind, path string }{
		{"k", "x.lock"}, {"k", "y.lock"}, {"j", "x.lock"}, {"k", "sub/x.lock"}, {"k", "."}, {"k", "sub"},
	} {
		key, err := KeyOf(c.kind, c.path).Get()
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%v and %s share the key %q", c, other, key)
		}
		seen[key] = c.kind + " " + c.path
	}
}

func TestKeyOfMissingDirectoryFails(t *testing.T) {
	_, err := KeyOf("k", filepath.Join(t.TempDir(), "missing", "x.lock")).Get()
	if !os.IsNotExist(err) {
		// os.IsNotExist knows *os.SyscallError.
		t.Fatalf("Key in a missing directory: %v", err)
	}
}

func TestSplitKeepsDotDot(t *testing.T) {
	slash := filepath.FromSlash
	for _, c := range []struct{ path, dir, base string }{
		{"x", ".", "x"},
		{"a/x", "a/", "x"},
		{"a/../x", "a/../", "x"},
		{"a/x/", "a/", "x"},
		{"a/x//", "a/", "x"},
		{"/x", "/", "x"},
		{"/", "/", "."},
		{".", ".", "."},
		{"a/..", "a/", ".."},
	} {
		dir, base := Split(slash(c.path))
		if dir != slash(c.dir) || base != slash(c.base) {
			t.Errorf("Split(%q) = %q, %q; want %q, %q", c.path, dir, base, c.dir, c.base)
		}
	}
}

func TestAbsDoesNotShorten(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	sep := string(filepath.Separator)
	for path, want := range map[string]string{
		"x":                          dir + sep + "x",
		filepath.FromSlash("a/../x"): dir + sep + filepath.FromSlash("a/../x"),
		dir:                          dir,
	} {
		got, err := Abs(path)
		if err != nil || got != want {
			t.Errorf("Abs(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
}

// TestAbsDoesNotTrustTheEnvironment: $PWD may lead through a link, which can be
// made to lead elsewhere.
func TestAbsDoesNotTrustTheEnvironment(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the working directory is not in the environment on Windows")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(link) // which sets $PWD too
	got, err := Abs("x.lock")
	if want := filepath.Join(dir, "x.lock"); err != nil || got != want {
		t.Errorf("Abs returned %q, %v; want %q", got, err, want)
	}
}
