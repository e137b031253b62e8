package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
)

// fresh makes a file, which the caller removes.
func (p *prober) fresh(name string) (f *os.File, err error) {
	return os.OpenFile(filepath.Join(p.dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// times finds out how fine the times of files are.
func (p *prober) times() Check {
	const name = "times of files"
	f, err := p.fresh("time")
	if err != nil {
		return unknown(name, err.Error())
	}
	defer os.Remove(f.Name())
	defer f.Close()
	odd := time.Date(2001, 2, 3, 4, 5, 7, 123456789, time.UTC)
	if err := os.Chtimes(f.Name(), odd, odd); err != nil {
		return unknown(name, err.Error())
	}
	info, err := f.Stat()
	if err != nil {
		return unknown(name, err.Error())
	}
	for _, step := range []time.Duration{1, 100, time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second, 2 * time.Second} {
		if d := odd.Sub(info.ModTime()).Abs(); d < step {
			return Check{name, Yes, "to " + step.String()}
		}
	}
	return Check{name, No, "they are not kept"}
}

// clock compares the clocks of the file system and of this machine, and of the
// other side's.
func (p *prober) clock() Check {
	const name = "clocks"
	before := time.Now()
	f, err := p.fresh("clock")
	if err != nil {
		return unknown(name, err.Error())
	}
	defer os.Remove(f.Name())
	defer f.Close()
	after := time.Now()
	info, err := f.Stat()
	if err != nil {
		return unknown(name, err.Error())
	}
	skew := off(info.ModTime(), before, after)
	detail := fmt.Sprintf("the file system's is %s off", skew)
	before = time.Now()
	reply := strings.Fields(p.b.ask("time"))
	after = time.Now()
	if len(reply) == 2 {
		if n, err := strconv.ParseInt(reply[1], 10, 64); err == nil {
			theirs := off(time.Unix(0, n), before, after)
			detail += fmt.Sprintf(", the other side's %s", theirs)
			skew = max(skew.Abs(), theirs.Abs())
		}
	}
	const slop = 10 * time.Second // that of leases
	if skew.Abs() > slop {
		return Check{name, No, detail + ": more than leases bear"}
	}
	return Check{name, Yes, detail}
}

// off returns how far t is from a moment between two others, to milliseconds,
// with some for the steps in which systems count time.
func off(t, before, after time.Time) time.Duration {
	const step = 20 * time.Millisecond
	switch {
	case t.Before(before.Add(-step)):
		return t.Sub(before).Round(time.Millisecond)
	case t.After(after.Add(step)):
		return t.Sub(after).Round(time.Millisecond)
	}
	return 0
}

// lengths finds out how long names may be.
func (p *prober) lengths() Check {
	const name, most = "long names", 4096
	n := sort.Search(most, func(n int) bool {
		f, err := p.fresh(strings.Repeat("n", n+1))
		if err != nil {
			return true
		}
		f.Close()
		return os.Remove(f.Name()) != nil
	})
	if n == 0 {
		return unknown(name, "no file can be made")
	}
	return Check{name, Yes, fmt.Sprintf("up to %d bytes", n)}
}

// cases finds out whether names that differ in case are of one file.
func (p *prober) cases() Check {
	const name = "case of names"
	f, err := p.fresh("case")
	if err != nil {
		return unknown(name, err.Error())
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := sys.Lstat(filepath.Join(p.dir, "CASE")); sys.IsGone(err) {
		return Check{name, Yes, "it matters"}
	}
	return Check{name, No, "it does not matter: locks whose names differ in case are one"}
}

// numbers finds out whether a file keeps its number.
func (p *prober) numbers() Check {
	const name = "file numbers"
	f, err := p.fresh("number")
	if err != nil {
		return unknown(name, err.Error())
	}
	moved := f.Name() + "-moved"
	defer os.Remove(moved)
	defer os.Remove(f.Name())
	defer f.Close()
	opened, err1 := sys.InfoOf(f)
	named, err2 := sys.Lstat(f.Name())
	err3 := os.Rename(f.Name(), moved)
	after, err4 := sys.Lstat(moved)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return unknown(name, err.Error())
		}
	}
	switch {
	case opened.ID == (sys.ID{}):
		return unknown(name, "this system has none")
	case opened.ID != named.ID, after.ID != opened.ID:
		return Check{name, No, "they change"}
	}
	return Check{name, Yes, "they stay"}
}

// removed finds out what becomes of an open file that is removed.
func (p *prober) removed() Check {
	const name = "removing open files"
	f, err := p.fresh("open")
	if err != nil {
		return unknown(name, err.Error())
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return Check{name, No, err.Error()}
	}
	names, err := sys.Names(p.dir, 100)
	if err != nil {
		return unknown(name, err.Error())
	}
	for _, left := range names {
		if strings.HasPrefix(left, ".nfs") {
			return Check{name, No, "they stay under another name, .nfs…, until they are closed"}
		}
	}
	if _, err := f.Stat(); err != nil {
		return Check{name, No, "they cannot be used any more: " + err.Error()}
	}
	return Check{name, Yes, "nothing is left of their names"}
}
