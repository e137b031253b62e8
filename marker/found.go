package marker

import (
	"io/fs"
	"os"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/sys"
)

// found is what stands at the path of a lock.
type found struct {
	path     string
	evidence mark.Evidence // Content is of a file only
	claim    string        // the unique file or, of a symbolic link, its end; "" if unknown
	claimant claimant
	foreign  error // why it is not to be removed
}

// look looks at what stands at path, and changes nothing. It fails with
// [fs.ErrNotExist] if there is nothing, and with [sys.Irregular] if that is no
// marker of any kind.
func look(path string) (found, error) {
	f := found{path: path}
	info, err := mark.There(path)
	f.evidence.Info = info
	switch {
	case err != nil:
	case info.Mode.IsRegular():
		err = f.lookAtFile()
	case info.Mode.IsDir():
		err = f.lookIntoDirectory()
	case info.Mode&fs.ModeSymlink != 0:
		err = f.lookAtSymlink()
	default:
		err = sys.Irregular(info.Mode)
	}
	if sys.IsGone(err) || sys.IsStale(err) && info != (sys.Info{}) { // since it was looked at
		err = fs.ErrNotExist
	}
	return f, err
}

// stale reports whether the holder is certainly dead.
func (f *found) stale() bool {
	return f.claimant.near && procid.ID{PID: f.claimant.pid, Space: procid.Self().Space}.Dead()
}

// holder says what the marker tells of its holder.
func (f *found) holder() filelock.Holder {
	c := f.claimant
	h := filelock.Holder{PID: c.pid, Host: c.host, Since: time.Unix(0, f.evidence.Info.ModTime)}
	host, err := os.Hostname()
	if c.pid == 0 || c.far || c.host != "" && (err != nil || c.host != host) {
		return h
	}
	// A process that is younger than the marker has only the number in common.
	if command, started := procid.Describe(c.pid); started.Before(h.Since.Add(clockError)) {
		h.Command, h.Started = command, started
	}
	return h
}

// clockError is how much later than it was a process may seem to have started:
// its start is told in hundredths of a second, and the times of files are coarse.
const clockError = 100 * time.Millisecond

// remove takes away what was found, and what has been beside it. It fails as
// [mark.Break] does.
func (f *found) remove() (removed bool, err error) {
	switch mode := f.evidence.Info.Mode; {
	case f.foreign != nil:
		return false, f.foreign
	case mode.IsRegular():
		return f.removeFile()
	case mode.IsDir():
		return f.removeDirectory()
	}
	return f.removeSymlink()
}

// name takes in the unique name of the holder, and reports whether it is one.
func (f *found) name(name, claim string) (ok bool) {
	if f.claimant, ok = parseName(name); ok {
		f.claim = claim
	}
	return ok
}

// twice does what removes something, and again if that fails. It may be gone.
func twice(do func() error) error {
	err := do()
	if err != nil && !sys.IsGone(err) {
		err = do()
	}
	if sys.IsGone(err) {
		return nil
	}
	return err
}

// unlink removes the file at path, which may be gone.
func unlink(path string) error { return twice(func() error { return sys.Remove(path) }) }
