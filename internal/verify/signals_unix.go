//go:build unix

package verify

import (
	"os"
	"os/signal"
)

// Take has the processes that the tests start end by the signal s, though whoever runs the
// tests has ignored it: who takes a signal, whatever comes of it, does not pass that on.
func Take(s os.Signal) {
	if signal.Ignored(s) {
		signal.Notify(make(chan os.Signal, 1), s)
	}
}
