//go:build unix || windows

package filelock_test

import (
	"errors"
	"os"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

// FuzzSoftMarkerOnDisk: a marker is broken if it says whose it is, and that one
// is dead, and is left alone otherwise.
func FuzzSoftMarkerOnDisk(f *testing.F) {
	host, err := os.Hostname()
	if err != nil {
		f.Fatal(err)
	}
	self := procid.Self()
	for _, id := range []procid.ID{self, {PID: 99999999, Space: self.Space}, {PID: 99999999, Space: procid.Unstated}, {PID: self.PID, Start: "1", Space: self.Space}} {
		f.Add(record.AppendMarker(nil, record.Marker{ID: id, Host: host, Nonce: 1}))
		f.Add(record.AppendMarker(nil, record.Marker{ID: id, Host: "another." + host, Nonce: 1}))
	}
	f.Add([]byte{})
	f.Add([]byte("1\nfilelock-strict-v1\x00\n0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := lockPath(t)
		write(t, path, string(text))
		l := filelock.NewSoft(path)
		s, err := l.Inspect(bg)
		if err != nil || !s.Held {
			t.Fatalf("%q: %+v, %v", text, s, err)
		}
		hold, err := l.TryAcquire(bg)
		m, malformed := record.ParseMarker(text)
		dead := malformed == nil && m.Host == host && m.ID.Dead()
		if dead != (err == nil) || dead != s.Stale {
			t.Fatalf("%q: dead %v, stale %v: %v", text, dead, s.Stale, err)
		}
		if err == nil {
			must(t, hold.Release())
			return
		}
		if now, errRead := os.ReadFile(path); !errors.Is(err, filelock.ErrLocked) || errRead != nil || string(now) != string(text) {
			t.Errorf("%q is now %q, %v, and the lock: %v", text, now, errRead, err)
		}
	})
}
