package verify

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests, as [goleak.VerifyTestMain] does: no goroutine may be left
// behind. One may be closing an inotify instance, for which nothing waits, and which
// takes the system up to a second when it is busy.
func Main(m *testing.M, options ...goleak.Option) {
	Take(os.Interrupt) // which the & of a shell has ignored
	closing := goleak.IgnoreAnyFunction("github.com/gofilelock/filelock/internal/wait.(*hub).close")
	goleak.VerifyTestMain(m, append(options, closing)...)
}
