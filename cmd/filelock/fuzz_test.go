package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/leftover"
	"github.com/gofilelock/filelock/internal/procid"
)

// FuzzSettings: what an option is set to is what its text says, or nothing.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{"0", "1.5", "-0", "-1", "1e400", "NaN", "Inf", "0x1p-2", "1_0", " 1", "255", "256", "30s", "-5m", "106751d", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const unset = -7 * time.Second
		d := unset
		err := setSeconds(&d)(text)
		n, errFloat := strconv.ParseFloat(text, 64)
		switch {
		case err != nil && d != unset, err == nil && d < 0 && d != noLimit:
			t.Errorf("%q seconds are %v, %v", text, d, err)
		case err == nil && d != noLimit && math.Abs(d.Seconds()-n) > 1e-6*max(1, n):
			t.Errorf("%q seconds are %v", text, d)
		case err == nil && d == noLimit && errFloat == nil && n < math.MaxInt64/1e9:
			t.Errorf("%q seconds are no limit", text)
		}
		var run runSettings
		if err := run.setConflict(text); err == nil && (run.conflict < 0 || run.conflict > 255) {
			t.Errorf("the exit status %q is %d", text, run.conflict)
		}
		var k kind
		if err := k.setLease(text); err == nil && (k.lease <= 0 || k.name != "lease") || err != nil && k != (kind{}) {
			t.Errorf("the lease %q is %+v, %v", text, k, err)
		}
		var gc gcSettings
		if err := gc.setOlderThan(text); err == nil && gc.olderThan < 0 || err != nil && gc.olderThan != 0 {
			t.Errorf("the age %q is %v, %v", text, gc.olderThan, err)
		}
	})
}

// FuzzPrinted: whatever a file or a process is called, it is shown on the line of
// its own, and comes back from JSON.
func FuzzPrinted(f *testing.F) {
	f.Add("/tmp/x.lock", "backup --full", "host", int64(1e18), 42)
	f.Add("a\nb\x1b[31m\xff", "\u202e\u2028", "", int64(math.MinInt64), -1)
	f.Add("", "", "\x00", int64(math.MaxInt64), math.MaxInt)
	f.Fuzz(func(t *testing.T, path, command, host string, at int64, pid int) {
		since := time.Unix(0, at).UTC()
		shown := procid.Printable(command)
		h := filelock.Holder{PID: pid, Host: procid.Printable(host), Command: shown, Owner: shown, Since: since}
		r := report{Path: path, Kind: "lease", State: "held", Expires: since, Holders: []process{processOf(h)}}
		var text, inJSON bytes.Buffer
		r.words(&text, false)
		writeJSON(&inJSON, r)
		if !isLine(text.String()) || strings.Count(inJSON.String(), "\n") != 1 {
			t.Errorf("%q is %q, and %q", path, text.String(), inJSON.String())
		}
		var back report
		err := json.Unmarshal(inJSON.Bytes(), &back)
		if err != nil || utf8.ValidString(path) && back.Path != path || !back.Expires.Equal(since) || len(back.Holders) != 1 || back.Holders[0].PID != pid {
			t.Errorf("%q is %s, which is %+v, %v", path, inJSON.Bytes(), back, err)
		}
		found := finding{Path: path, Kind: "soft marker", Proof: leftover.Doubtful, Why: shown, Since: since, Age: float64(at) / 1e9}
		text.Reset()
		if err := found.print(&text, false); err != nil || !isLine(text.String()) {
			t.Errorf("%+v is %q, %v", found, text.String(), err)
		}
	})
}

// isLine reports whether text is a line of characters that show themselves.
func isLine(text string) bool {
	line, ok := strings.CutSuffix(text, "\n")
	return ok && utf8.ValidString(line) && !strings.ContainsFunc(line, procid.Control)
}
