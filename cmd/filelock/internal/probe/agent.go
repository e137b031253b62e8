package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/sys"
)

// An agent does what a prober tells it, with files of one directory, and says
// what has come of it. Both are lines:
//
//	make|mkdir|remove NAME        ok, exists, gone
//	link|symlink|move NAME NEW    ok, exists, none
//	touch|see NAME                ok DEVICE INODE MODIFIED, gone
//	lock|share KIND NAME          ok, busy, none
//	unlock NAME                   ok
//	time                          ok NANOSECONDS
//
// Anything may come to "error" and a text instead.
type agent struct {
	dir  string
	held map[string]func() error
}

func newAgent(dir string) *agent { return &agent{dir: dir, held: map[string]func() error{}} }

// end gives back what is locked.
func (a *agent) end() {
	for _, unlock := range a.held {
		unlock()
	}
	clear(a.held)
}

// longestLine bounds what one side may say to the other.
const longestLine = 256

// serve does what r says, line by line, until its end.
func (a *agent) serve(r io.Reader, w io.Writer) error {
	defer a.end()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if _, err := fmt.Fprintln(w, a.do(lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

// do does what one line says, and returns the answer.
func (a *agent) do(line string) string {
	words := strings.Fields(line)
	var verb string
	if len(words) > 0 {
		verb, words = words[0], words[1:]
	}
	if verb == "lock" || verb == "share" {
		if len(words) == 2 && isName(words[1]) {
			return answer(a.lock(words[0], words[1], verb == "share"))
		}
		return answer(errMisuse)
	}
	paths := make([]string, len(words))
	for i, name := range words {
		if !isName(name) {
			return answer(errMisuse)
		}
		paths[i] = filepath.Join(a.dir, name)
	}
	switch {
	case verb == "time" && len(paths) == 0:
		return fmt.Sprint("ok ", time.Now().UnixNano())
	case verb == "unlock" && len(paths) == 1:
		return answer(a.unlock(words[0]))
	case len(paths) == 1:
		return one(verb, paths[0])
	case len(paths) == 2:
		return two(verb, words[0], paths[0], paths[1])
	}
	return answer(errMisuse)
}

var errMisuse = errors.New("not understood")

// isName reports whether s is a name for an agent's files. None leads out of its
// directory.
func isName(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

func one(verb, path string) string {
	switch verb {
	case "make":
		f, err := sys.Create(path, 0o600)
		if err == nil {
			err = f.Close()
		}
		return answer(err)
	case "mkdir":
		return answer(sys.Mkdir(path, 0o700))
	case "remove":
		err := sys.Remove(path)
		if err != nil && sys.Rmdir(path) == nil {
			err = nil
		}
		return answer(err)
	case "touch":
		f, err := sys.Open(path, sys.ReadWrite)
		if err != nil {
			return answer(err)
		}
		_, err = f.WriteAt([]byte("x"), 0)
		return answer(errors.Join(err, f.Close()))
	case "see":
		info, err := sys.Lstat(path)
		if err != nil {
			return answer(err)
		}
		return fmt.Sprintf("ok %d %d %d", info.ID.Dev, info.ID.Ino, info.ModTime)
	}
	return answer(errMisuse)
}

func two(verb, name, path, to string) string {
	switch verb {
	case "link":
		return answer(sys.Link(path, to))
	case "symlink":
		return answer(sys.Symlink(name, to))
	case "move":
		return answer(sys.RenameExclusive(path, to))
	}
	return answer(errMisuse)
}

// The kinds of locks of the system.
const (
	flockKind = "flock"
	ofdKind   = "ofd"
	posixKind = "posix"
)

// lock tries once to lock the file, which is made if there is none.
func (a *agent) lock(kind, name string, shared bool) error {
	if a.held[name] != nil {
		return errMisuse
	}
	path := filepath.Join(a.dir, name)
	if kind == posixKind {
		unlock, err := lockProcess(path, shared)
		if err == nil {
			a.held[name] = unlock
		}
		return err
	}
	f, err := sys.Open(path, sys.ReadWrite)
	if err != nil {
		return err
	}
	switch kind {
	case flockKind:
		err = f.TryLock(shared)
	case ofdKind:
		err = f.TryRecordLock(shared)
	default:
		err = errMisuse
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	a.held[name] = f.Close // that gives the lock back, of which there is no duplicate
	return nil
}

func (a *agent) unlock(name string) error {
	unlock := a.held[name]
	if unlock == nil {
		return errMisuse
	}
	delete(a.held, name)
	return unlock()
}

// answer says what err comes to.
func answer(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, sys.ErrBusy):
		return "busy"
	case errors.Is(err, fs.ErrExist):
		return "exists"
	case errors.Is(err, sys.ErrNoLocks), errors.Is(err, sys.ErrNoNames), errors.Is(err, errors.ErrUnsupported):
		return "none"
	case sys.IsGone(err):
		return "gone"
	}
	return "error " + procid.Printable(err.Error())
}
