//go:build !linux && !darwin && !windows

package procid

import "time"

// startToken is unknown, so an id that is used again reads as alive.
func startToken(int) string { return "" }

// plausible is no token, since py-filelock has none here either.
func plausible(string) bool { return false }

func commandOf(int) string { return "" }

func startedAt(int) time.Time { return time.Time{} }
