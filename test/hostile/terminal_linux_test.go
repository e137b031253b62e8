package hostile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// hasControl reports whether a terminal would do something on text but show it.
func hasControl(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}
