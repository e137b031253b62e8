package getopt

import (
	"fmt"
	"strings"
)

// Usage returns the help page: the ways to call the command, what it does, and
// its options.
func (c *Command) Usage() string {
	var b strings.Builder
	head := "Usage: "
	for _, s := range c.Synopsis {
		fmt.Fprintf(&b, "%s%s %s\n", head, c.Name, s)
		head = strings.Repeat(" ", len(head))
	}
	if c.About != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.About))
	}
	width := 0
	for _, o := range c.Options {
		if o.Help != "" && len(o.names()) < widest {
			width = max(width, len(o.names()))
		}
	}
	b.WriteString("\nOptions:\n")
	for _, o := range c.Options {
		if o.Help == "" {
			continue
		}
		names := o.names()
		if len(names) > width {
			fmt.Fprintf(&b, "%s\n", names)
			names = ""
		}
		for line := range strings.SplitSeq(o.Help, "\n") {
			fmt.Fprintf(&b, "%-*s  %s\n", width, names, line)
			names = ""
		}
	}
	return b.String()
}

// widest is the width from which names have a line of their own.
const widest = 32

// names returns how the help shows what the option is called.
func (o *Option) names() string {
	s := "     "
	if o.Short != "" {
		s = " -" + o.Short[:1]
		if len(o.Long) > 0 {
			s += ", "
		}
	}
	if len(o.Long) > 0 {
		s += "--" + o.Long[0]
	}
	if o.Arg != "" {
		s += " " + o.Arg
	}
	return s
}
