package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hasControl reports whether a terminal would do something on text but show it.
func hasControl(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

// TestTerminalObeysNoName has the command print names, and records, that would have
// a terminal do something.
func TestTerminalObeysNoName(t *testing.T) {
	p := newPlace(t, meetings["open"])
	name := strings.NewReplacer("\x00", "", "/", "").Replace(escapes)
	hostile := filepath.Join(p.dir, name)
	dead := recordOf(deadPID, "1", host())
	for suffix, text := range map[string]string{
		".lock": dead, "a.lock": "", "b.lock": escapes, ".0123456789abcdef.claim": "", "c.lock": "/c.lock|" + host() + "|" + "7|8",
		"d.lock": deadName(), ".lock.new": "", "e.lock": recordOf(7, "1", "elsewhere"),
	} {
		must(t, os.WriteFile(hostile+suffix, []byte(text), 0o600))
	}
	must(t, os.Mkdir(hostile, 0o700))
	must(t, os.WriteFile(filepath.Join(hostile, name), []byte(dead), 0o600))
	must(t, os.Symlink(deadName(), hostile+"f.lock"))
	files, err := filepath.Glob(filepath.Join(p.dir, "*"))
	must(t, err)
	shown := 0
	show := func(args ...string) {
		t.Helper()
		_, said := p.call(t, root, args...) // which looks at what is printed
		shown += strings.Count(said, "end")
	}
	show("gc", "-r", p.dir)
	show("gc", "-r", "--json", p.dir)
	for i, file := range files {
		for _, kind := range []string{"", kindOptions[i%len(kindOptions)]} {
			for _, args := range [][]string{{"status"}, {"status", "--json"}, {"break", "-y"}, {"wait", "-w", "0"}, {"run", "-n", "--json"}, {"run", "-n"}} {
				if kind != "" {
					args = append(args, kind)
				}
				args = append(args, file)
				if args[0] == "run" {
					args = append(args, "true")
				}
				show(args...)
			}
		}
	}
	show("probe", hostile)
	show("probe", "--json", hostile)
	show("gc", "-r", "-y", "--force", p.dir)
	if shown < 50 {
		t.Errorf("the names have been printed %d times only", shown)
	}
}
