// Package procid tells whether the process that a record names is dead.
//
// A process id alone says little: it is used again, and it means another
// process in a container or on another machine. An [ID] therefore adds a start
// token, which no other process of that number has, and a space, the set of
// processes within which numbers are unique: one boot of one machine and one
// pid namespace of it.
//
// Everything unknown reads as alive.
package procid

import (
	"math/big"
	"os"
	"strings"
	"sync"
	"time"
)

// An ID means one process.
type ID struct {
	PID int
	// Start is py-filelock's token for the start of the process, a decimal
	// number. It is empty where it is unknown.
	Start string
	// Space numbers the set of processes that PID is unique in: 0 where that
	// is unknown, [Unstated] in a record that does not speak of it.
	Space uint64
}

// Unstated is the Space of an ID from a record that has no place for one.
const Unstated = ^uint64(0)

// Self returns the ID of this process.
var Self = sync.OnceValue(func() ID {
	pid := os.Getpid()
	return ID{PID: pid, Start: startToken(pid), Space: space()}
})

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
	now := startToken(id.PID)
	return id.Start != "" && now != "" && startsDiffer(id.Start, now)
}

// Here reports whether id.PID means to this process what it meant to whoever
// wrote it, as far as can be known.
func (id ID) Here() bool { return id.within(Self()) }

func (id ID) within(self ID) bool {
	if id.Space != Unstated {
		return id.Space != 0 && id.Space == self.Space
	}
	// The token tells the boot at least, if not the namespace. After another
	// boot the record may be a leftover, or that of a live process on another
	// machine of the same name.
	ours, theirs := boot(self.Start), boot(id.Start)
	return ours.Sign() == 0 || theirs.Sign() == 0 || ours.Cmp(theirs) == 0
}

type state int

const (
	unknown state = iota
	running
	gone
)

// On Linux a token is the boot's id, a number of 128 bits, followed by 64 bits
// of clock ticks since that boot. Older versions of py-filelock wrote the ticks
// alone. Elsewhere a token has less than 64 bits, hence no boot in it.
func boot(start string) *big.Int {
	n, ok := new(big.Int).SetString(start, 10)
	if !ok {
		return new(big.Int)
	}
	return n.Rsh(n, 64)
}

// startsDiffer compares two tokens, by what both of them tell.
func startsDiffer(a, b string) bool {
	if (boot(a).Sign() == 0) != (boot(b).Sign() == 0) {
		a, b = ticks(a), ticks(b)
	}
	return strings.TrimLeft(a, "0") != strings.TrimLeft(b, "0")
}

func ticks(start string) string {
	n, ok := new(big.Int).SetString(start, 10)
	if !ok {
		return start
	}
	mask := new(big.Int).SetUint64(^uint64(0))
	return n.And(n, mask).String()
}

// Describe tells what the living process pid is, for a human reader: its
// command line, and when it started. Either may be unknown.
func Describe(pid int) (command string, started time.Time) {
	return Printable(commandOf(pid)), startedAt(pid)
}

// Printable makes s fit to be shown in an error: one line without control
// characters and of bounded length. Any process can choose its own name.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0xfffd {
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
