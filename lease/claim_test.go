package lease_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

// TestLaw06WhatDoesNotParseIsNeverBroken, however old it is.
func TestLaw06WhatDoesNotParseIsNeverBroken(t *testing.T) {
	for _, content := range []string{
		"", "somebody's data", joined("a|b|c|d"), joined("x|host|1|2|3"), "x+host+1+2", strings.Repeat("x", 1<<20),
		joined("x|host|1|2") + strings.Repeat(" ", 1<<20),
	} {
		path := lockPath(t)
		must(t, os.WriteFile(path, []byte(content), 0o666))
		long := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, long, long))
		l := lease.New(path, quick)
		_, err := l.TryAcquire(bg)
		want(t, err, filelock.ErrLocked)
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%.20q has become %.20q, %v", content, got, err)
		}
		s, err := l.Inspect(bg)
		if err != nil || !s.Held || len(s.Holders) != 1 || s.Holders[0].PID != 0 {
			t.Errorf("%+v, %v", s, err)
		}
		must(t, l.Break(bg, s))
		nothingIsLeft(t, path)
	}
}

func TestClaimOfAPathThatBeginsWithASpaceIsKnown(t *testing.T) {
	path := lockPath(t)
	t.Chdir(filepath.Dir(path))
	l := lease.New(" x.lock", quick)
	h := acquire(t, l)
	if d, err := l.Details(bg); err != nil || d.LockFile != " x.lock" {
		t.Errorf("%+v, %v", d, err)
	}
	s, err := l.Inspect(bg)
	must(t, err)
	must(t, l.Break(bg, s))
	nothingIsLeft(t, path)
	want(t, h.Release(), filelock.ErrLost)
}

// TestLaw07ClaimIsRemovedOnlyIfItIsTheSameFile has a lock that names other files
// as its claim.
func TestLaw07ClaimIsRemovedOnlyIfItIsTheSameFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.lock")
	elsewhere := filepath.Join(t.TempDir(), joined("y|host|1|2"))
	beside := filepath.Join(dir, joined("y|host|1|2"))
	for _, file := range []string{elsewhere, beside} {
		must(t, os.WriteFile(file, []byte(elsewhere), 0o666))
	}
	for _, content := range []string{elsewhere, filepath.Join(dir, joined("z|host|1|2")) + "/..", joined("..|host|1|2"), joined("/|host|1|2")} {
		must(t, os.WriteFile(path, []byte(content), 0o666))
		long := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, long, long))
		l := lease.New(path, quick)
		h, err := l.TryAcquire(bg)
		if err == nil {
			must(t, h.Release())
		}
		for _, file := range []string{elsewhere, beside} {
			if _, err := os.Lstat(file); err != nil {
				t.Errorf("%q: %v", content, err)
			}
		}
		os.Remove(path)
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add("x.lock|host|1|2")
	f.Add(" /a/b|h|12|18446744073709551615\n")
	f.Add("a|b|c|d")
	f.Fuzz(func(t *testing.T, text string) {
		d, _, ok := lease.ParseClaim(text, '|')
		if !ok {
			if d != (lease.Details{}) {
				t.Errorf("%q is nothing, and %+v", text, d)
			}
			return
		}
		again, _, ok := lease.ParseClaim(d.Claim, '|')
		if !ok || again != d || d.PID <= 0 || !strings.HasPrefix(d.Claim, d.LockFile+"|"+d.Host+"|") {
			t.Errorf("%q is %+v, and that %+v, %v", text, d, again, ok)
		}
	})
}

func TestFullNameIsTheFirstWithADot(t *testing.T) {
	for want, names := range map[string][]string{
		"a.example": {"a", "a.example.", "b.example"},
		"localhost": {"localhost", "vm"},
		"own":       nil,
	} {
		if got := lease.FullName(names, "own"); got != want {
			t.Errorf("of %q it is %q", names, got)
		}
	}
}
