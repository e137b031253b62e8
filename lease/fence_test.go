package lease_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

var fenced = func() lease.Config {
	c := quick
	c.Fencing = true
	return c
}()

func TestTokensRiseWithEveryHold(t *testing.T) {
	path := lockPath(t)
	var mu sync.Mutex
	var all []uint64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l := lease.New(path, fenced)
			for range 10 {
				h, err := l.Acquire(bg)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				all = append(all, h.Token())
				mu.Unlock()
				if err := h.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, token := range all {
		if token != uint64(i+1) {
			t.Fatalf("the tokens are %d", all)
		}
	}
	if left := files(t, path); len(left) != 1 || left[0] != "x.lock.token" {
		t.Errorf("%q are left", left)
	}
	must(t, lease.New(path, quick).Do(bg, func(context.Context) error { return nil }))
	h := acquire(t, lease.New(path, fenced))
	if h.Token() != 41 {
		t.Errorf("the token is %d", h.Token())
	}
	must(t, h.Release())
}

func TestMalformedTokenIsNotBelieved(t *testing.T) {
	for _, content := range []string{"x", "1\n", "18446744073709551615\n", "99999999999999999999\n", "00000000000000000001\n2"} {
		path := lockPath(t)
		must(t, os.WriteFile(path+".token", []byte(content), 0o666))
		_, err := lease.New(path, fenced).Acquire(bg)
		want(t, err, fs.ErrInvalid)
		if left := files(t, path); len(left) != 1 {
			t.Errorf("%q are left", left)
		}
		if got, err := os.ReadFile(path + ".token"); err != nil || string(got) != content {
			t.Errorf("it has become %q, %v", got, err)
		}
	}
	path := lockPath(t)
	must(t, os.Mkdir(path+".token", 0o777))
	if h, err := lease.New(path, fenced).Acquire(bg); err == nil {
		t.Errorf("token %d comes from a directory", h.Token())
	}
}

func TestFenceRefusesWhoIsLate(t *testing.T) {
	var f lease.Fence
	want(t, f.Check(0), fs.ErrInvalid)
	must(t, f.Check(5))
	must(t, f.Check(5))
	must(t, f.Check(7))
	want(t, f.Check(6), filelock.ErrLost)
	if f.Highest() != 7 {
		t.Errorf("the highest is %d", f.Highest())
	}
}

// TestTokenIsNotWrittenElsewhere has a stranger link a file of the user's to where
// the tokens are.
func TestTokenIsNotWrittenElsewhere(t *testing.T) {
	for _, content := range []string{"", "00000000000000000007\n"} {
		path := lockPath(t)
		precious := filepath.Join(t.TempDir(), "precious")
		must(t, os.WriteFile(precious, []byte(content), 0o666))
		if err := os.Link(precious, path+".token"); err != nil {
			t.Skip("no hard links here")
		}
		_, err := lease.New(path, lease.Config{Fencing: true}).Acquire(bg)
		want(t, err, fs.ErrInvalid)
		if got, err := os.ReadFile(precious); err != nil || string(got) != content {
			t.Errorf("another file says %q, %v", got, err)
		}
	}
}
