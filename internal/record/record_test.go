package record

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) { verify.Main(m) }

var examples = []Marker{
	{ID: procid.ID{PID: 1, Space: procid.Unstated}, Host: "h"},
	{ID: procid.ID{PID: math.MaxInt32, Start: "255211775190703847597530955573826158592", Space: 1}, Host: "build-7.example", Nonce: 1},
	{ID: procid.ID{PID: 77, Start: "0", Space: 0}, Host: "hôte", Nonce: math.MaxUint64},
	{ID: procid.ID{PID: 77, Space: 12345}, Host: strings.Repeat("x", 64), Nonce: 7},
}

func TestMarkerComesBackAsItWent(t *testing.T) {
	for _, m := range examples {
		text := AppendMarker(nil, m)
		got, err := ParseMarker(text)
		if err != nil || got != m {
			t.Errorf("%+v became %q, which is %+v, %v", m, text, got, err)
		}
	}
}

// TestMarkerIsWhatPyFilelockWrites compares with the protocol, letter for letter.
func TestMarkerIsWhatPyFilelockWrites(t *testing.T) {
	m := Marker{ID: procid.ID{PID: 4242, Start: "99", Space: procid.Unstated}, Host: "host"}
	if got := string(AppendMarker(nil, m)); got != "4242\nhost\n99\n" {
		t.Errorf("the marker is %q", got)
	}
	m.ID.Space, m.Nonce = 5, 6
	got := string(AppendMarker(nil, m))
	rest, ok := strings.CutPrefix(got, "4242\nhost\n99\n")
	if !ok || strings.Trim(rest, " \t") != "" || len(rest) != blanksSize {
		t.Errorf("the marker is %q", got)
	}
}

func TestMalformedMarkers(t *testing.T) {
	for text, want := range map[string]error{
		"":                                     ErrEmpty,
		" \n\t\n":                              ErrEmpty,
		"1\n":                                  ErrMalformed,
		"1\nh\n2\n3\n":                         ErrMalformed,
		"x\nh\n":                               ErrMalformed,
		"0\nh\n":                               ErrMalformed,
		"-1\nh\n":                              ErrMalformed,
		"+1\nh\n":                              ErrMalformed,
		"2147483648\nh\n":                      ErrMalformed,
		"1\nh\nx\n":                            ErrMalformed,
		"1\nh\n-2\n":                           ErrMalformed,
		"1\n\n2\n":                             ErrMalformed,
		"1\nh\x00\n":                           ErrMalformed,
		"1\nh\u009b\n":                         ErrMalformed,
		"1\na\u202eb\n":                        ErrMalformed,
		"1\na\u200bb\n":                        ErrMalformed,
		"1\na\u2028b\n":                        ErrMalformed,
		"1\n\xff\n":                            ErrMalformed,
		"1\nh\n2\n   ":                         ErrMalformed, // somebody else's blanks
		"{\"pid\": 1}\n":                       ErrMalformed,
		"1\nfilelock-strict-v1\x00\n0\n":       ErrStrict,
		"1\n" + strings.Repeat("h", MaxMarker): ErrMalformed,
	} {
		if m, err := ParseMarker([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%q is %+v, %v; want %v", text, m, err, want)
		}
	}
}

func TestDamagedBlanksAreMalformed(t *testing.T) {
	text := AppendMarker(nil, examples[1])
	for i := range text {
		damaged := append([]byte(nil), text...)
		damaged[i] ^= ' ' ^ '\t'
		if m, err := ParseMarker(damaged); err == nil && m == examples[1] {
			t.Errorf("a change of byte %d goes unnoticed", i)
		} else if err == nil && m.Nonce != 0 {
			t.Errorf("with byte %d changed, the blanks are believed: %+v", i, m)
		}
	}
	for n := 1; n < blanksSize; n++ {
		if m, err := ParseMarker(text[:len(text)-n]); err == nil {
			t.Errorf("%d blanks less are believed: %+v", n, m)
		}
	}
}

// TestBlanksStateASpace has blanks that say they say nothing.
func TestBlanksStateASpace(t *testing.T) {
	m := Marker{ID: procid.ID{PID: 1, Space: procid.Unstated}, Host: "h", Nonce: 7}
	text := appendBlanks(AppendMarker(nil, m), m)
	if got, err := ParseMarker(text); !errors.Is(err, ErrMalformed) {
		t.Errorf("%q is %+v, %v", text, got, err)
	}
}

func TestPeersMarkers(t *testing.T) {
	for text, want := range map[string]Marker{
		"12\nhost\n":       {ID: procid.ID{PID: 12, Space: procid.Unstated}, Host: "host"},
		"12\nhost\n34\n":   {ID: procid.ID{PID: 12, Start: "34", Space: procid.Unstated}, Host: "host"},
		"12\r\nhost\r\n":   {ID: procid.ID{PID: 12, Space: procid.Unstated}, Host: "host"},
		"12\nhost":         {ID: procid.ID{PID: 12, Space: procid.Unstated}, Host: "host"},
		"12\nmy host\n1\n": {ID: procid.ID{PID: 12, Start: "1", Space: procid.Unstated}, Host: "my host"},
		"12\n主機 é\ue000\n": {ID: procid.ID{PID: 12, Space: procid.Unstated}, Host: "主機 é\ue000"},
	} {
		if got, err := ParseMarker([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func FuzzParseMarker(f *testing.F) {
	for _, m := range examples {
		f.Add(AppendMarker(nil, m))
	}
	f.Add([]byte("1\nfilelock-strict-v1\x00\n0\n"))
	f.Add([]byte("1\n h \n2\n \t \t"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseMarker(text)
		if err != nil {
			if m != (Marker{}) {
				t.Errorf("an error comes with %+v", m)
			}
			return
		}
		if m.ID.PID < 1 || m.ID.PID > math.MaxInt32 || !ValidHost(m.Host) {
			t.Errorf("%q is %+v", text, m)
		}
		again, err := ParseMarker(AppendMarker(nil, m))
		if err != nil || again != m {
			t.Errorf("%q is %+v, which comes back as %+v, %v", text, m, again, err)
		}
	})
}

func FuzzMarker(f *testing.F) {
	for _, m := range examples {
		f.Add(m.ID.PID, m.ID.Start, m.ID.Space, m.Host, m.Nonce)
	}
	f.Fuzz(func(t *testing.T, pid int, start string, space uint64, host string, nonce uint64) {
		m := Marker{ID: procid.ID{PID: pid, Start: start, Space: space}, Host: host, Nonce: nonce}
		switch {
		case pid < 1, pid > math.MaxInt32, start != "" && !digits(start), len(start) > MaxMarker/4, !ValidHost(host),
			space == procid.Unstated && nonce != 0:
			return // nobody writes that
		}
		text := AppendMarker(nil, m)
		if got, err := ParseMarker(text); err != nil || got != m {
			t.Errorf("%+v became %q, which is %+v, %v", m, text, got, err)
		}
	})
}

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestTemplates(t *testing.T) {
	f := Fields{PID: 4242, Hostname: "host", Command: "backup --full", Owner: "nightly", Since: noon}
	for template, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		" {pid}\n":                  " 4242\n",
		" {pid};{hostname}\n":       " 4242;host\n",
		"{{{pid}}}":                 "{4242}",
		"{owner}@{since} {command}": "nightly@2030-01-02T12:00:00Z backup --full",
	} {
		tmpl, err := ParseTemplate(template)
		if err != nil {
			t.Errorf("%q: %v", template, err)
			continue
		}
		if got := string(tmpl.Append(nil, f)); got != want {
			t.Errorf("%q gives %q, want %q", template, got, want)
		}
		if _, ok := tmpl.Parse(want); !ok {
			t.Errorf("%q is not found to be of %q", want, template)
		}
	}
}

func TestTemplateFieldsComeBack(t *testing.T) {
	tmpl, err := ParseTemplate(" {pid} {hostname} {owner};{since} {command}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Fields{PID: 7, Hostname: "h", Command: "a b c", Owner: "o p", Since: noon}
	text := string(tmpl.Append(nil, want))
	if got, ok := tmpl.Parse(text); !ok || got != want {
		t.Errorf("%q is %+v, %v", text, got, ok)
	}
	if got, ok := tmpl.Skip(1).Parse(text[1:]); !ok || got != want {
		t.Errorf("without its first byte, %q is %+v, %v", text, got, ok)
	}
	for _, bad := range []string{
		"", " x", " 07 h o;2030-01-02T12:00:00Z c\n", " 7 h o;2030-01-02T12:00:00.0Z c\n", " 7 h o;2030-01-02T13:00:00+01:00 c\n",
		" 7 h\x1b o;2030-01-02T12:00:00Z c\n", " 7 h o\u202e;2030-01-02T12:00:00Z c\n", " 7 h o;2030-01-02T12:00:00Z c\nc\n",
		" 0 h o;2030-01-02T12:00:00Z c\n", " 7 h o;noon c\n", " 7 h o;2030-01-02T12:00:00Z c", text + "x",
	} {
		if got, ok := tmpl.Parse(bad); ok {
			t.Errorf("%q is believed: %+v", bad, got)
		}
	}
}

func TestTemplateOfAHiddenFieldMatchesNothing(t *testing.T) {
	tmpl, err := ParseTemplate("{pid}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := tmpl.Skip(1).Parse("2\n"); ok {
		t.Errorf("half of a number is believed: %+v", got)
	}
}

func TestTemplateValuesStayOnOneLine(t *testing.T) {
	tmpl, err := ParseTemplate("{pid}\n{command}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tmpl.Append(nil, Fields{PID: 1, Command: "x\n2\ny\x00\u2028"})); got != "1\nx?2?y??\n" {
		t.Errorf("the text is %q", got)
	}
}

func TestBadTemplates(t *testing.T) {
	for _, s := range []string{"{", "}", "{pid", "pid}", "{}", "{nobody}", "{pid }", "{{}", "{{{pid}}"} {
		if _, err := ParseTemplate(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(" {pid}\n", 1, "host", "cmd", "owner", "text")
	f.Add("{{x}} {since}|{command}", 2, "", "a|b", "", "")
	f.Add("{pid}|{since}|{owner}\n", 3, "", "", "o", "7|2030-01-02T12:00:00Z|nightly\n")
	f.Fuzz(func(t *testing.T, template string, pid int, host, command, owner, text string) {
		tmpl, err := ParseTemplate(template)
		if err != nil {
			return
		}
		// What is believed of any text, written again, is that text.
		if got, ok := tmpl.Parse(text); ok && tmpl.unambiguous() && string(tmpl.Append(nil, got)) != text {
			t.Errorf("%q: %q is %+v", template, text, got)
		}
		if len(text) > 0 {
			tmpl.Skip(1).Parse(text[1:])
		}
		fields := Fields{PID: pid&0xffff + 1, Hostname: host, Command: command, Owner: owner, Since: noon}
		written := string(tmpl.Append(nil, fields))
		got, ok := tmpl.Parse(written)
		if !ok {
			return // a value holds the text that follows it
		}
		// What is read, written again, reads the same.
		if again := string(tmpl.Append(nil, got)); again != written && tmpl.unambiguous() {
			t.Errorf("%q: %q became %+v, which is %q", template, written, got, again)
		}
	})
}

// unambiguous reports whether every field is there once and ends with text.
func (t *Template) unambiguous() bool {
	seen := map[field]bool{}
	for i, p := range t.parts {
		if p.field == none {
			continue
		}
		if seen[p.field] || (t.parts[i+1].text == "" && t.parts[i+1].field != none) {
			return false
		}
		seen[p.field] = true
	}
	return true
}
