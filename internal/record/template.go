package record

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
)

// A Template is the text that a holder leaves in a lock file: literal text
// with fields in braces. {{ and }} stand for the braces themselves.
type Template struct{ parts []part }

// part is literal text followed by a field, which may be none.
type part struct {
	text  string
	field field
}

type field string

const (
	none     field = ""
	pid      field = "pid"      // process id
	hostname field = "hostname" // as gethostname(2) has it
	command  field = "command"  // command line
	owner    field = "owner"    // the owner's name
	since    field = "since"    // when the lock was taken, RFC 3339, UTC
)

// Fields are what a template can speak of.
type Fields struct {
	PID      int
	Hostname string
	Command  string
	Owner    string
	Since    time.Time
}

// ParseTemplate reads a template. Unknown fields and stray braces are errors.
func ParseTemplate(s string) (*Template, error) {
	t := &Template{}
	var text strings.Builder
	for rest := s; ; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			text.WriteString(rest)
			t.parts = append(t.parts, part{text: text.String()})
			return t, nil
		}
		text.WriteString(rest[:i])
		brace := rest[i]
		rest = rest[i+1:]
		if rest != "" && rest[0] == brace {
			text.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if brace == '}' || end < 0 {
			return nil, fmt.Errorf("content template %q: brace without its pair (write %c%[2]c for a brace)", s, brace)
		}
		f := field(rest[:end])
		switch f {
		case pid, hostname, command, owner, since:
		default:
			return nil, fmt.Errorf("content template %q: unknown field {%s} (there are pid, hostname, command, owner and since)", s, f)
		}
		t.parts = append(t.parts, part{text.String(), f})
		text.Reset()
		rest = rest[end+1:]
	}
}

// Append appends the text of t for f to b.
func (t *Template) Append(b []byte, f Fields) []byte {
	for _, p := range t.parts {
		b = append(b, p.text...)
		switch p.field {
		case pid:
			b = strconv.AppendInt(b, int64(f.PID), 10)
		case hostname:
			b = append(b, oneLine(f.Hostname)...)
		case command:
			b = append(b, oneLine(f.Command)...)
		case owner:
			b = append(b, oneLine(f.Owner)...)
		case since:
			b = f.Since.UTC().AppendFormat(b, time.RFC3339)
		}
	}
	return b
}

// oneLine keeps a value from looking like another field on a line of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if procid.Control(r) {
			return '?'
		}
		return r
	}, s)
}

// Skip returns the template of what remains of t's text without the first n
// bytes. If these are not literal text in t, no text is of that template.
func (t *Template) Skip(n int) *Template {
	if n == 0 {
		return t
	}
	first := t.parts[0]
	if len(first.text) < n {
		return &Template{}
	}
	first.text = first.text[n:]
	return &Template{append([]part{first}, t.parts[1:]...)}
}

// Parse finds the fields in text that [Template.Append] has written. It
// reports false where text is not of this template, or has a value that Append
// would write otherwise. A value extends to the first place where the text
// after it occurs.
func (t *Template) Parse(text string) (f Fields, ok bool) {
	if len(t.parts) == 0 {
		return Fields{}, false
	}
	for i, p := range t.parts {
		rest, found := strings.CutPrefix(text, p.text)
		if !found {
			return Fields{}, false
		}
		text = rest
		if p.field == none {
			break
		}
		end := len(text)
		if next := t.parts[i+1].text; next != "" {
			if end = strings.Index(text, next); end < 0 {
				return Fields{}, false
			}
		}
		if !f.set(p.field, text[:end]) {
			return Fields{}, false
		}
		text = text[end:]
	}
	return f, text == ""
}

func (f *Fields) set(name field, value string) bool {
	if value != oneLine(value) {
		return false
	}
	switch name {
	case pid:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 || value != strconv.FormatInt(n, 10) {
			return false
		}
		f.PID = int(n)
	case since:
		t, err := time.Parse(time.RFC3339, value)
		if err != nil || value != t.UTC().Format(time.RFC3339) {
			return false
		}
		f.Since = t
	case hostname:
		f.Hostname = value
	case command:
		f.Command = value
	case owner:
		f.Owner = value
	}
	return true
}
