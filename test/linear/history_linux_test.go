package linear

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A verb is what a client does.
type verb string

const (
	acquire   verb = "acquire"
	release   verb = "release"
	inspect   verb = "inspect"
	breakHold verb = "break"
	refresh   verb = "refresh"
	look      verb = "look" // whether the hold is lost
	die       verb = "die"  // a process is killed
)

// The ways to acquire.
const (
	wait    = "wait"
	try     = "try"
	timeout = "timeout"
	cancel  = "cancel"
)

// A result is what a client was told.
type result string

const (
	open      result = "" // nothing: it was killed
	ok        result = "ok"
	locked    result = "locked"
	timedOut  result = "timeout"
	cancelled result = "cancelled"
	upgrade   result = "upgrade"
	lost      result = "lost"
	busy      result = "busy" // the hold goes on
	failed    result = "failed"
)

// An operation is a call and its return.
type operation struct {
	Client  int
	Process int
	Verb    verb
	How     string // to acquire
	Shared  bool
	Result  result
	Error   string // in full
	Token   uint64
	Seen    int // the process that was inspected
	Call    int64
	Return  int64

	// What follows is found out from the rest of the history.
	queued    bool // another goroutine of the process was acquiring meanwhile
	releasing bool // another goroutine of the process was releasing meanwhile
	parting   bool // another process was releasing meanwhile
	crowded   bool // another process was acquiring or breaking meanwhile
}

// What can be seen but a process.
const (
	nobody  = -1
	unknown = -2
)

func (o *operation) String() string {
	what := string(o.Verb)
	switch {
	case o.Verb == acquire && o.Shared:
		what = o.How + " shared"
	case o.Verb == acquire:
		what = o.How
	case o.Verb == inspect:
		what = fmt.Sprintf("inspect: %d", o.Seen)
	}
	if o.Token != 0 {
		what = fmt.Sprintf("%s #%d", what, o.Token)
	}
	if o.Result == open {
		return what + " …"
	}
	return what + " → " + string(o.Result)
}

func (o *operation) overlaps(other *operation) bool {
	return o.Call <= other.Return && other.Call <= o.Return
}

// never is when an operation returns that does not.
const never = math.MaxInt64 / 2

// now is the time of a clock that all processes of a machine share.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// A history is all that was done with one lock.
type history struct {
	kind  *kind
	all   []*operation
	kills int
	stops int
}

// load reads the log of a process. It fails if a client was told what it never
// is.
func (h *history) load(log string) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	underWay := map[int]*operation{}
	for in := bufio.NewScanner(f); in.Scan(); {
		o := &operation{}
		if err := json.Unmarshal(in.Bytes(), o); err != nil {
			continue // it was killed while it wrote
		}
		if o.Return == 0 {
			o.Return = never
			underWay[o.Client] = o
			h.all = append(h.all, o)
			continue
		}
		if began := underWay[o.Client]; began == nil || began.Verb != o.Verb {
			return fmt.Errorf("%s: a return without a call: %s", log, in.Text())
		}
		*underWay[o.Client] = *o
		delete(underWay, o.Client)
		if o.Result == failed {
			return fmt.Errorf("client %d: %s: %s", o.Client, o, o.Error)
		}
	}
	return nil
}

// prepare finds out what an operation alone does not tell.
func (h *history) prepare() {
	slices.SortFunc(h.all, func(a, b *operation) int { return int(a.Call - b.Call) })
	for i, o := range h.all {
		for j, other := range h.all {
			if i == j || !o.overlaps(other) || other.Client == o.Client {
				continue
			}
			switch {
			case other.Verb == acquire && other.Process == o.Process:
				o.queued = true
			case other.Verb == release && other.Process == o.Process:
				o.releasing = true
			case other.Verb == release:
				o.parting = true
			case other.Verb == acquire, other.Verb == breakHold:
				o.crowded = true
			}
		}
	}
}

// What leases are used, and how exactly their clock and ours agree.
const (
	lifetime = time.Second
	slop     = 200 * time.Millisecond
	accuracy = 10 * time.Millisecond
)

// write writes the history, one operation a line.
func (h *history) write(path string) error {
	var text strings.Builder
	for _, o := range h.all {
		line, err := json.Marshal(o)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s\n", line)
	}
	return os.WriteFile(path, []byte(text.String()), 0o666)
}
