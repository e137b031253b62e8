// Package procid tells whether the process that a record names is dead.
//
// A process id alone says little: it is used again, and it means another
// process in a container or on another machine. An [ID] therefore adds a start
// token, which no other process of that number has, and a space, the set of
// processes within which numbers are unique and tokens tell the same time: one
// boot of one machine, and one pid and one time namespace of it.
//
// Everything unknown reads as alive.
package procid

import (
	"math/big"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// An ID means one process.
type ID struct {
	PID int
	// Start is py-filelock's token for the start of the process, a decimal
	// number. It is empty where it is unknown.
	Start string
	// Space numbers the set of processes that PID is unique in: 0 where that
	// is unknown, [Unstated] in a record that does not speak of it. Where our
	// own is unknown, nobody is ever dead.
	Space uint64
}

// Unstated is the Space of an ID from a record that has no place for one.
const Unstated = ^uint64(0)

// Self returns the ID of this process.
func Self() ID { return ID{PID: os.Getpid(), Start: ownStart(), Space: ownSpace()} }

var (
	ownStart = lasting(func() string { return startToken(os.Getpid()) })
	ownSpace = lasting(space)
)

// lasting keeps what get returns, once it is known. The zero value says that it
// is not, and may be for lack of descriptors only: then get is asked again.
func lasting[T comparable](get func() T) func() T {
	var known atomic.Pointer[T]
	return func() T {
		if v := known.Load(); v != nil {
			return *v
		}
		v := get()
		if v != *new(T) {
			known.Store(&v)
		}
		return v
	}
}

// Dead reports whether it is certain that the process is dead. The caller has
// made sure that the record was written on a machine of this one's name.
func (id ID) Dead() bool {
	if !id.Here() {
		return false
	}
	switch stateOf(id.PID) {
	case gone:
		return true
	case unknown:
		return false
	}
	return startsDiffer(id.Start, startToken(id.PID)) && (id.Space != Unstated || sameClock(id.PID))
}

// Here reports whether id.PID means to this process what it meant to whoever
// wrote it, as far as can be known.
func (id ID) Here() bool {
	switch ours := Self().Space; {
	case ours == 0:
		return false
	case id.Space != Unstated:
		return id.Space == ours
	}
	// The token tells the boot or the time at least, if not the namespace. One
	// of another boot or system may be left over, or be that of a live process
	// on another machine of the same name, as a virtual one often is.
	return id.Start == "" || plausible(id.Start)
}

type state int

const (
	unknown state = iota
	running
	gone
)

// split parts a token. On Linux it is the boot's id, a number of 128 bits,
// followed by 64 bits of clock ticks since that boot; older versions of
// py-filelock wrote the ticks alone. Elsewhere a token has less than 64 bits,
// hence no boot in it.
func split(token string) (boot *big.Int, ticks uint64, ok bool) {
	n, ok := new(big.Int).SetString(token, 10)
	if !ok || strings.Trim(token, "0123456789") != "" { // a sign
		return nil, 0, false
	}
	boot = new(big.Int).Rsh(n, 64)
	return boot, n.Xor(n, new(big.Int).Lsh(boot, 64)).Uint64(), true
}

// startsDiffer compares two tokens of this boot.
func startsDiffer(a, b string) bool {
	_, ticksA, okA := split(a)
	_, ticksB, okB := split(b)
	return okA && okB && ticksA != ticksB
}

// Describe tells what the living process pid is, for a human reader: its
// command line, and when it started. Either may be unknown.
func Describe(pid int) (command string, started time.Time) {
	return Printable(commandOf(pid)), startedAt(pid)
}

// DescribeSelf is Describe for this process, and quick: neither changes.
func DescribeSelf() (command string, started time.Time) {
	d := ownDescription()
	return d.command, d.started
}

type description struct {
	command string
	started time.Time
}

var ownDescription = lasting(func() (d description) {
	d.command, d.started = Describe(os.Getpid())
	return d
})

// Printable makes s fit to be shown in an error: one line without control
// characters and of bounded length. Any process can choose its own name.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if Control(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, strings.TrimSpace(s))
	const limit = 80
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit-1]) + "…"
	}
	return s
}

// Control reports whether r ends a line, or changes how the text around it is
// shown, as those do that turn its direction or have no width.
func Control(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
