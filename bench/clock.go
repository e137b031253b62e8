package main

import "time"

// origin is one instant of Go's clock, which costs a tenth of a system call,
// and of the one that all processes of the machine share.
var origin = func() (o struct {
	time   time.Time
	system int64
}) {
	shortest := time.Hour
	for range 100 {
		start := time.Now()
		system := systemClock()
		if took := time.Since(start); took < shortest {
			shortest, o.time, o.system = took, start.Add(took/2), system
		}
	}
	return o
}()

// monotonic returns nanoseconds of CLOCK_MONOTONIC.
func monotonic() int64 { return origin.system + int64(time.Since(origin.time)) }
