package getopt

import (
	"fmt"
	"strings"
)

// A Program is what several commands make up, each by a word of its own.
type Program struct {
	Name     string
	Summary  string // in a few words
	About    string
	Commands []*Command
}

// Man returns the manual page of the program, for man(7): the text of all help
// pages.
func (p *Program) Man(section int) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s %d\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", strings.ToUpper(p.Name), section, p.Name, roff(p.Summary))
	for _, c := range p.Commands {
		for _, s := range c.Synopsis {
			fmt.Fprintf(&b, ".B %s\n%s\n.br\n", roff(c.Name), roff(s))
		}
	}
	b.WriteString(".SH DESCRIPTION\n" + paragraphs(p.About))
	for _, c := range p.Commands {
		fmt.Fprintf(&b, ".SH %s\n%s", strings.ToUpper(c.Word()), paragraphs(c.About))
		for _, o := range c.Options {
			if o.Help != "" {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(o.names())), roff(o.Help))
			}
		}
	}
	return b.String()
}

// Word returns what the command is called within its program.
func (c *Command) Word() string { return c.Name[strings.LastIndexByte(c.Name, ' ')+1:] }

// paragraphs sets text in paragraphs, and lines that begin with blanks as they
// are.
func paragraphs(text string) string {
	var b strings.Builder
	asIs := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != asIs && line != "" {
			asIs = indented
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[asIs])
		}
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if asIs {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// roff writes text so that roff(7) shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
