//go:build !linux

package wait

import "time"

func nap(d time.Duration) { time.Sleep(d) }

var began = time.Now()

func uptime() time.Duration { return time.Since(began) + 1 }
