package lease

import (
	"time"

	"github.com/gofilelock/filelock"
)

// NewAt is New on a machine with another clock.
func NewAt(now func() time.Time, path string, c Config, opts ...filelock.Option) *Lock {
	l := New(path, c, opts...)
	l.backend.now = now
	return l
}

// ParseClaim reads the name of a claim.
var ParseClaim = parseClaim

// TimeThere tells the time of the file system.
var TimeThere = timeThere

// Separator is the usual one of this system.
var Separator = defaultSeparator()

// FullName chooses a name as Python's socket.getfqdn does.
var FullName = fullName

// What the name of a claim is made of, and of what it may not be.
var (
	ClaimEnd       = claimEnd
	CheckSeparator = checkSeparator
	CheckHost      = checkHost
)
