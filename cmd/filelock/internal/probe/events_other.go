//go:build !linux

package probe

func (p *prober) events() Check { return unknown("inotify", "this system has none") }
