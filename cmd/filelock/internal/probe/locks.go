package probe

import (
	"fmt"
	"strings"
	"time"
)

// locks finds out whether two sides exclude each other by one kind of lock.
func (p *prober) locks(kind, name string) Check {
	file := kind + "-file"
	no := func(format string, args ...any) Check { return Check{name, No, fmt.Sprintf(format, args...)} }
	if made := p.a.ask("make " + file); made != "ok" {
		return unknown(name, made)
	}
	lock, share, unlock := "lock "+kind+" "+file, "share "+kind+" "+file, "unlock "+file
	defer p.a.ask("remove " + file)
	switch got := p.a.ask(lock); got {
	case "ok":
	case "none":
		return no("there are none")
	default:
		return unknown(name, got)
	}
	if got := p.b.ask(lock); got != "busy" {
		p.a.ask(unlock)
		p.b.ask(unlock)
		if got == "ok" {
			return no("both had it at once")
		}
		return unknown(name, got)
	}
	if got := p.a.ask(unlock); got != "ok" {
		return unknown(name, got)
	}
	if got := p.soon(p.b, lock); got != "ok" {
		return no("it was not to be had when it had been given back: %s", got)
	}
	if got := p.a.ask(lock); got != "busy" {
		p.a.ask(unlock)
		if got == "ok" {
			return no("both had it at once")
		}
		return unknown(name, got)
	}
	killed := time.Now()
	if err := p.b.kill(); err != nil {
		return unknown(name, answer(err))
	}
	got := p.soon(p.a, lock)
	took := time.Since(killed)
	if got != "ok" {
		return no("it is not given back when its process is killed: %s", got)
	}
	p.a.ask(unlock)
	detail := fmt.Sprintf("excludes; free within %s of kill -9", round(took))
	first, second := p.a.ask(share), p.b.ask(share)
	if first != "ok" || second != "ok" {
		detail += "; cannot be shared"
	}
	p.a.ask(unlock)
	p.b.ask(unlock)
	return Check{name, Yes, detail}
}

// soon asks until the lock is not busy: what another machine has given back may
// take a while.
func (p *prober) soon(s side, line string) (got string) {
	const limit, pause = 30 * time.Second, 10 * time.Millisecond
	for end := time.Now().Add(limit); ; {
		got = s.ask(line)
		if got != "busy" || time.Now().After(end) {
			return got
		}
		select {
		case <-p.ctx.Done():
			return got
		case <-time.After(pause):
		}
	}
}

// names finds out whether of two sides that make the same name one fails.
func (p *prober) names(name, verb string) Check {
	ours, theirs, common := verb+"-a", verb+"-b", verb+"-c"
	asks := [2]string{verb + " " + common, verb + " " + common}
	switch verb {
	case "link", "move":
		p.a.ask("make " + ours)
		p.b.ask("make " + theirs)
		asks = [2]string{verb + " " + ours + " " + common, verb + " " + theirs + " " + common}
	case "symlink":
		asks = [2]string{"symlink nowhere " + common, "symlink nowhere " + common}
	}
	defer func() {
		for _, left := range []string{ours, theirs, common} {
			p.a.ask("remove " + left)
		}
	}()
	first := p.a.ask(asks[0])
	second := p.b.ask(asks[1])
	switch {
	case first == "none":
		return Check{name, No, "there is no such thing"}
	case first != "ok":
		return unknown(name, first)
	case second == "ok":
		return Check{name, No, "both made it at once"}
	case second != "exists":
		return unknown(name, second)
	}
	if verb == "link" && !sameFile(p.a.ask("see "+ours), p.b.ask("see "+common)) {
		return Check{name, No, "the two names are of files with different numbers"}
	}
	return Check{name, Yes, "of two who make one, one fails"}
}

// sameFile compares what was seen. The number of a device is each machine's own.
func sameFile(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	return len(x) == 4 && len(y) == 4 && x[2] == y[2]
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
