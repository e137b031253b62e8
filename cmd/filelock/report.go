package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
)

// A report is what the verbs say of one lock, in words and in JSON.
type report struct {
	Path      string    `json:"path"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`          // free, held, stale or expired
	Mode      string    `json:"mode,omitempty"` // exclusive or shared
	Available bool      `json:"available"`      // whoever comes next gets it
	Expires   time.Time `json:"expires,omitzero"`
	Holders   []process `json:"holders,omitempty"`
	Waiters   []process `json:"waiters,omitempty"`
}

// A process has to do with a lock. What is not known of it is left out.
type process struct {
	PID     int       `json:"pid,omitempty"`
	User    string    `json:"user,omitempty"`
	Host    string    `json:"host,omitempty"`
	Command string    `json:"command,omitempty"`
	Owner   string    `json:"owner,omitempty"`
	Since   time.Time `json:"since,omitzero"`    // of the hold
	Started time.Time `json:"started,omitzero"`  // of the process
	Blocked *bool     `json:"blocked,omitempty"` // of a waiter: in the system; false: it waits for events, or just watches
	Text    string    `json:"text"`
}

// reportOf says what was seen of a lock.
func reportOf(s sight) report {
	r := report{
		Path: s.path, Kind: s.kind.String(), State: "free",
		Available: s.available(time.Now()), Expires: s.state.Expires,
	}
	if !s.state.Held {
		return r
	}
	r.State, r.Mode = "held", "exclusive"
	switch {
	case s.state.Stale:
		r.State = "stale"
	case s.expired(time.Now()):
		r.State = "expired"
	}
	if s.state.Shared {
		r.Mode = "shared"
	}
	for _, h := range s.state.Holders {
		r.Holders = append(r.Holders, processOf(h))
	}
	if r.Holders == nil {
		r.Holders = []process{processOf(filelock.Holder{})}
	}
	return r
}

// processOf says who holds a lock.
func processOf(h filelock.Holder) process {
	p := process{
		PID: h.PID, Host: h.Host, Command: h.Command, Owner: h.Owner,
		Since: h.Since, Started: h.Started, Text: h.String(),
	}
	if isHere(h) {
		p.User = userOf(h.PID)
	}
	if p.User != "" {
		p.Text += ", user " + p.User
	}
	return p
}

// isHere reports whether h is a living process of this machine.
func isHere(h filelock.Holder) bool {
	host, err := os.Hostname()
	return err == nil && h.Host == host && !h.Started.IsZero()
}

// processHere describes a process of this machine; 0 is one that cannot be seen.
func processHere(pid int) process {
	h := filelock.Holder{PID: pid}
	h.Host, _ = os.Hostname()
	if pid != 0 {
		h.Command, h.Started = procid.Describe(pid)
	}
	return processOf(h)
}

// words writes what r says in lines, each with the path in front.
func (r *report) words(b *bytes.Buffer, p palette) {
	path := printable(r.Path)
	if r.State == "free" {
		fmt.Fprintf(b, "%s: %s\n", path, p.green("free"))
	}
	for _, h := range r.Holders {
		fmt.Fprintf(b, "%s: %s by %s%s [%s]\n", path, p.red(r.locked()), h.Text, r.until(time.Now()), r.Kind)
	}
	for _, w := range r.Waiters {
		if *w.Blocked {
			fmt.Fprintf(b, "%s: waited for by %s\n", path, w.Text)
		} else {
			fmt.Fprintf(b, "%s: waited for or watched by %s\n", path, w.Text)
		}
	}
}

// locked says how the lock is held.
func (r *report) locked() string {
	switch {
	case r.State != "held":
		return r.State + ", locked"
	case r.Mode == "shared":
		return "locked shared"
	}
	return "locked"
}

// until says when a lease ends, or did, with the date where a time could be of
// another day.
func (r *report) until(now time.Time) string {
	if r.Expires.IsZero() {
		return ""
	}
	layout := time.TimeOnly
	if r.Expires.Sub(now).Abs() > 12*time.Hour {
		layout = time.DateTime
	}
	return ", until " + r.Expires.Local().Format(layout)
}

// writeJSON appends v to b, in a line. What would be shown as something else than
// text is escaped, more of it than JSON asks for.
func writeJSON(b *bytes.Buffer, v any) {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	e.Encode(v) // of our own types, to memory: it does not fail
	for _, r := range plain.String() {
		if r == '\n' || !procid.Control(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(b, `\u%04x`, unit)
		}
	}
}

// printable makes text of any origin, a path as a rule, fit to be shown in a
// line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if procid.Control(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
