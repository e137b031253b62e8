package main

import "os"

// A palette colours a word or two for those who sit at a terminal.
type palette bool

// paletteFor returns the colours for what is written to f. There are none but at
// a terminal, and if NO_COLOR (https://no-color.org) is set.
func paletteFor(f *os.File) palette {
	return palette(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f))
}

func (p palette) red(s string) string   { return p.paint("31", s) }
func (p palette) green(s string) string { return p.paint("32", s) }

func (p palette) paint(colour, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[m"
}
