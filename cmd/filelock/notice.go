package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofilelock/filelock"
)

// notices are what run says on standard error.
type notices struct {
	to   *os.File
	json bool
	path string
	kind kind
}

// A notice is what run says with --json.
type notice struct {
	Event  string   `json:"event"` // waiting, conflict, lost or error
	Path   string   `json:"path"`
	Waited float64  `json:"waited,omitempty"` // in seconds
	Others int      `json:"others,omitempty"` // who wait too, as far as is known
	Holder *process `json:"holder,omitempty"`
	Text   string   `json:"text"`
}

func (n notices) say(what notice) {
	what.Path = n.path
	var b bytes.Buffer
	if n.json {
		writeJSON(&b, what)
	} else {
		fmt.Fprintf(&b, "filelock: %s\n", what.Text)
	}
	b.WriteTo(n.to) // whether somebody reads it or not
}

// waiting says for whom it waits.
func (n notices) waiting(w filelock.WaitInfo) {
	holder := processOf(w.Holder)
	what := notice{Event: "waiting", Waited: w.Waited.Seconds(), Holder: &holder}
	for _, p := range waitersOf(sight{n.kind, n.path, filelock.State{Held: true, Holders: []filelock.Holder{w.Holder}}}) {
		if p.PID != os.Getpid() {
			what.Others++
		}
	}
	what.Text = printable(fmt.Sprintf("%s: waiting for %s (%s so far%s)", n.path, holder.Text, w.Waited.Round(time.Second), others(what.Others)))
	n.say(what)
}

func others(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", another one waits too"
	}
	return fmt.Sprintf(", %d others wait too", n)
}

// conflict says who is in the way.
func (n notices) conflict(err error) {
	what := notice{Event: "conflict", Text: oneLine(err)}
	var e *filelock.LockError
	if errors.As(err, &e) {
		what.Waited = e.Waited.Seconds()
		if h, ok := e.Holder(); ok {
			holder := processOf(h)
			what.Holder = &holder
		}
	}
	n.say(what)
}

// lost says that the lock is lost, and what is done about it.
func (n notices) lost(err error, then string) {
	n.say(notice{Event: "lost", Text: oneLine(err) + then})
}

// failed says what went wrong, and returns the exit status for it.
func (n notices) failed(err error) int {
	n.say(notice{Event: "error", Text: oneLine(err)})
	return statusFor(err)
}
