//go:build unix

package verify

import (
	"os"
	"os/signal"
	"syscall"
)

// takeSignals has the processes of tests end by signals that whoever runs the tests has
// ignored, as nohup(1) does, and the & of a shell: who takes a signal, whatever comes of
// it, does not pass on that it is ignored.
func takeSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
