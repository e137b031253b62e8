package filelock_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofilelock/filelock"
)

// TestLaw05NamesOfKeysNeverChange would let two versions of a program run into
// each other if it had to be changed.
func TestLaw05NamesOfKeysNeverChange(t *testing.T) {
	for key, want := range map[string]string{
		"":                          "%.lock",
		"main":                      "main.lock",
		"a-b_c.d":                   "a-b_c.d.lock",
		"-n":                        "%2dn.lock",
		".":                         "%2e.lock",
		"..":                        "%2e..lock",
		".hidden":                   "%2ehidden.lock",
		"Main":                      "%4dain.lock",
		"/etc/passwd":               "%2fetc%2fpasswd.lock",
		"https://example.org/a?b=c": "https%3a%2f%2fexample.org%2fa%3fb%3dc.lock",
		"con":                       "%63on.lock",
		"com1.txt":                  "%63om1.txt.lock",
		"com0":                      "%63om0.lock",
		"com":                       "com.lock",
		"console":                   "console.lock",
		"a b\x00\n":                 "a%20b%00%0a.lock",
		"é":                         "%c3%a9.lock",
		strings.Repeat("a", 135):    strings.Repeat("a", 135) + ".lock",
		strings.Repeat("a", 136):    strings.Repeat("a", 64) + "~6f0e44b9ce4ea61d52a3479c10f60ef9.lock",
		strings.Repeat("a", 62) + "////" + strings.Repeat("a", 99): strings.Repeat("a", 62) + "~e2d2d08e9105ece7dc1c80d3a791f896.lock",
	} {
		if got := filelock.Name("dir", key); got != filepath.Join("dir", want) {
			t.Errorf("the name for %q is %q, want %q", key, got, want)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, key := range []string{"", "x", "A%41", "con.x", "~", strings.Repeat("%/", 60)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name := filepath.Base(filelock.Name("", key))
		stem, ok := strings.CutSuffix(name, ".lock")
		if !ok || len(name) > 140 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-%~") != "" || strings.ContainsAny(name[:1], ".-") {
			t.Errorf("the name for %q is %q", key, name)
		}
		switch back, err := url.PathUnescape(stem); {
		case stem == "%":
			if key != "" {
				t.Errorf("%q has the name of nothing", key)
			}
		case strings.Contains(stem, "~"):
			if short, _, _ := strings.Cut(back, "~"); err != nil || !strings.HasPrefix(key, short) || len(stem) > 64+1+32 {
				t.Errorf("the name for %q is %q", key, name)
			}
		case err != nil || back != key:
			t.Errorf("the name for %q is %q, which is that of %q, %v", key, name, back, err)
		}
	})
}
