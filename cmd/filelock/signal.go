package main

import (
	"os"
	"os/signal"
	"slices"
)

// catch returns where signals arrive from now until the process ends, but for
// those that it was started to ignore, as nohup does. There is no gap in that:
// in one, a signal would end the process and leave a soft lock's marker behind.
func catch() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	for _, s := range passedOn {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// each calls do with the signals that come, until stop is called. That returns
// when no call is under way, and none follows.
func each(signals <-chan os.Signal, do func(os.Signal)) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case s := <-signals:
				do(s)
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// pending takes the signals that have come, up to one that asks the program to
// end, and returns that one. It is nil if there is none.
func pending(signals <-chan os.Signal) os.Signal {
	for {
		select {
		case s := <-signals:
			if slices.Contains(ending, s) {
				return s
			}
		default:
			return nil
		}
	}
}
