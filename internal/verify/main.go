package verify

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests, as [goleak.VerifyTestMain] does: no goroutine may be left
// behind. One may be closing an inotify instance, for which nothing waits, and which
// takes the system up to a second when it is busy.
func Main(m *testing.M, options ...goleak.Option) {
	takeSignals()
	closing := goleak.IgnoreAnyFunction("github.com/gofilelock/filelock/internal/wait.(*hub).close")
	goleak.VerifyTestMain(m, append(options, closing)...)
}
