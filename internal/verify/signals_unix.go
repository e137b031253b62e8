//go:build unix

package verify

import (
	"os"
	"os/signal"
	"syscall"
)

// takeSignals has the processes of tests end by SIGINT, though whoever runs the tests has
// ignored it, as the & of a shell does: who takes a signal, whatever comes of it, does not
// pass on that it is ignored.
func takeSignals() {
	if signal.Ignored(syscall.SIGINT) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)
	}
}
