// Package record holds the texts that locks leave for others to read: the
// marker of a soft lock, and content by a template. It does no I/O.
package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofilelock/filelock/internal/procid"
)

// MaxMarker is the size above which a file is no marker, in bytes. The same
// bound is py-filelock's.
const MaxMarker = 1024

// A Marker is the record in the marker of a soft lock: py-filelock's, protocol
// 1, which is the lines pid, host name and, where it is known, start token.
//
// What else we need stands in blanks after the last line, where py-filelock
// does not look: it strips blanks, and would call a fourth line malformed. A
// blank is a 0 and a tab a 1 there.
type Marker struct {
	ID    procid.ID // Space is Unstated in py-filelock's own markers
	Host  string
	Nonce uint64 // tells this hold from all others; 0 in py-filelock's
}

// Why a text is no marker that anybody can act upon.
var (
	ErrEmpty     = errors.New("the marker is empty")
	ErrMalformed = errors.New("the marker is malformed")
	ErrStrict    = errors.New("the marker is that of py-filelock's StrictSoftFileLock")
)

// strict stands for ever at the path of a py-filelock StrictSoftFileLock,
// whose holders are found elsewhere.
const strict = "1\nfilelock-strict-v1\x00\n0\n"

// AppendMarker appends the text of m to b.
func AppendMarker(b []byte, m Marker) []byte {
	b = strconv.AppendInt(b, int64(m.ID.PID), 10)
	b = append(b, '\n')
	b = append(b, m.Host...)
	b = append(b, '\n')
	if m.ID.Start != "" {
		b = append(b, m.ID.Start...)
		b = append(b, '\n')
	}
	if m.ID.Space != procid.Unstated {
		b = appendBlanks(b, m)
	}
	return b
}

// ParseMarker is the opposite of [AppendMarker]. It accepts no text that
// py-filelock refuses.
func ParseMarker(b []byte) (Marker, error) {
	if string(b) == strict {
		return Marker{}, ErrStrict
	}
	if len(b) > MaxMarker || !utf8.Valid(b) {
		return Marker{}, ErrMalformed
	}
	m := Marker{ID: procid.ID{Space: procid.Unstated}}
	text := string(b)
	if lines, blanks := cutBlanks(text); blanks != "" {
		if !m.parseBlanks(lines, blanks) {
			return Marker{}, ErrMalformed
		}
		text = lines
	}
	if text = strings.TrimSpace(text); text == "" {
		return Marker{}, ErrEmpty
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 2 && len(lines) != 3 {
		return Marker{}, ErrMalformed
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	pid, err := strconv.ParseInt(lines[0], 10, 32)
	if err != nil || pid < 1 || !digits(lines[0]) {
		return Marker{}, ErrMalformed
	}
	m.ID.PID = int(pid)
	if m.Host = lines[1]; !ValidHost(m.Host) {
		return Marker{}, ErrMalformed
	}
	if len(lines) == 3 {
		if m.ID.Start = lines[2]; !digits(m.ID.Start) {
			return Marker{}, ErrMalformed
		}
	}
	return m, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ValidHost reports whether s can stand in a marker: it is one line, fit to be
// shown, and no more than a file may hold of it.
func ValidHost(s string) bool {
	return s != "" && len(s) < MaxMarker/2 && utf8.ValidString(s) && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, procid.Control)
}

// The bytes in the blanks: what version they are of, the space and the nonce,
// and a checksum over these and the lines before.
const (
	blanksVersion = 1
	blanksBytes   = 1 + 8 + 8 + 4
	blanksSize    = 8 * blanksBytes
)

func appendBlanks(b []byte, m Marker) []byte {
	var raw [blanksBytes]byte
	raw[0] = blanksVersion
	binary.BigEndian.PutUint64(raw[1:], m.ID.Space)
	binary.BigEndian.PutUint64(raw[9:], m.Nonce)
	binary.BigEndian.PutUint32(raw[17:], checksum(b, raw[:17]))
	for _, c := range raw {
		for bit := 7; bit >= 0; bit-- {
			b = append(b, " \t"[c>>bit&1])
		}
	}
	return b
}

// cutBlanks parts the lines of a marker from the blanks after the last of them.
func cutBlanks(text string) (lines, blanks string) {
	end := strings.LastIndexByte(text, '\n') + 1
	if strings.Trim(text[end:], " \t") != "" {
		return text, ""
	}
	return text[:end], text[end:]
}

// parseBlanks reports whether the blanks after lines are ours, and whole. Others
// may say what makes the holder alive, so they are not passed over.
func (m *Marker) parseBlanks(lines, blanks string) bool {
	if len(blanks) != blanksSize {
		return false
	}
	var raw [blanksBytes]byte
	for i := range len(blanks) {
		raw[i/8] = raw[i/8]<<1 | blanks[i]&1 // a blank is even, a tab odd
	}
	m.ID.Space = binary.BigEndian.Uint64(raw[1:])
	m.Nonce = binary.BigEndian.Uint64(raw[9:])
	return raw[0] == blanksVersion && m.ID.Space != procid.Unstated &&
		binary.BigEndian.Uint32(raw[17:]) == checksum([]byte(lines), raw[:17])
}

func checksum(lines, raw []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(lines), crc32.IEEETable, raw)
}
