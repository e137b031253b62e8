//go:build !unix && !windows

package procid

func stateOf(int) state { return unknown }
