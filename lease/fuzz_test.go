//go:build unix || windows

package lease_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/lease"
)

// FuzzClaimEnd: the name of a claim of ours says what it was made of, whatever
// is in the path and the host's name.
func FuzzClaimEnd(f *testing.F) {
	f.Add("/tmp/x.lock", "host.example", '|')
	f.Add(" x\n", "h", '^')
	f.Add("\xff", "höst", '→')
	f.Fuzz(func(t *testing.T, path, host string, separator rune) {
		if lease.CheckSeparator(separator, path) != nil || lease.CheckHost(host, separator) != nil {
			return
		}
		claim := path + lease.ClaimEnd(host, separator)
		if len(claim) > 4096 {
			return
		}
		d, once, ok := lease.ParseClaim(claim, separator)
		if !ok || !once || d != (lease.Details{Host: host, PID: os.Getpid(), LockFile: path, Claim: claim}) {
			t.Errorf("%q is %+v, once %v, %v", claim, d, once, ok)
		}
	})
}

// FuzzLockOnDisk: a lock file whose time is over is taken away if it is a
// lease's, and left alone if not.
func FuzzLockOnDisk(f *testing.F) {
	f.Add([]byte(joined("x.lock|host|1|2")))
	f.Add([]byte(joined("/etc/passwd|host|1|18446744073709551615\n")))
	f.Add([]byte("precious"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		path := lockPath(t)
		must(t, os.WriteFile(path, text, 0o666))
		long := time.Now().Add(-time.Hour)
		must(t, os.Chtimes(path, long, long))
		_, _, ok := lease.ParseClaim(string(text), lease.Separator)
		hold, err := lease.New(path, lease.Config{Lifetime: time.Minute, Slop: time.Second, Host: "h"}).TryAcquire(bg)
		if ok != (err == nil) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			must(t, hold.Release())
			nothingIsLeft(t, path)
			return
		}
		want(t, err, filelock.ErrLocked)
		if now, err := os.ReadFile(path); err != nil || string(now) != string(text) {
			t.Errorf("%q has become %q, %v", text, now, err)
		}
	})
}

// FuzzTokenOnDisk: a token is drawn of a number that is written as we do, or of a
// new file, and nothing else is touched.
func FuzzTokenOnDisk(f *testing.F) {
	for _, text := range []string{"", "00000000000000000041\n", "00000000000000000041", "41\n", "18446744073709551614\n", "18446744073709551615\n", "+0000000000000000041\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := lockPath(t)
		must(t, os.WriteFile(path+".token", text, 0o666))
		hold, err := lease.New(path, lease.Config{Fencing: true, Host: "h"}).TryAcquire(bg)
		now, errRead := os.ReadFile(path + ".token")
		must(t, errRead)
		if err != nil {
			want(t, err, fs.ErrInvalid)
			if string(now) != string(text) {
				t.Errorf("%q has become %q", text, now)
			}
			return
		}
		before := uint64(0)
		if len(text) > 0 {
			if _, err := fmt.Sscanf(string(text), "%020d\n", &before); err != nil || fmt.Sprintf("%020d\n", before) != string(text) {
				t.Errorf("%q is believed", text)
			}
		}
		if token := hold.Token(); token != before+1 || string(now) != fmt.Sprintf("%020d\n", token) {
			t.Errorf("%q: the token is %d, and the file %q", text, token, now)
		}
		must(t, hold.Release())
	})
}

// FuzzFullName: it is one of the names, without the dot at its end, or the
// host's own.
func FuzzFullName(f *testing.F) {
	f.Add("a b.example. c.example", "own")
	f.Fuzz(func(t *testing.T, list, own string) {
		names := strings.Fields(list)
		name := lease.FullName(strings.Fields(list), own)
		for _, n := range names {
			if name == strings.TrimSuffix(n, ".") {
				return
			}
		}
		if len(names) > 0 || name != own {
			t.Errorf("of %q it is %q", names, name)
		}
	})
}
