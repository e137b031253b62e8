package hostile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
	"golang.org/x/sys/unix"
)

func init() { roles["turner"] = turner }

// turner has a directory full of what locks leave behind and a link to another
// directory change places, until its input ends. Its arguments are the directory,
// the link, and the seed.
func turner(args []string) error {
	seed, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 4))
	dir, err := os.OpenFile(args[0], unix.O_PATH, 0)
	if err != nil {
		return err
	}
	names, err := os.ReadDir(args[1])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	turns := 0
	for over := untilInputEnds(); !over.Load(); turns++ {
		name := names[random.IntN(len(names))].Name()
		path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
		switch err := leftover(path, deadRecord()); {
		case err == nil && random.IntN(2) == 0:
			unix.Unlink(path)
			unix.Symlink(deadName(), path) // one of lockfile's
		case err != nil && !errors.Is(err, fs.ErrExist):
			return err
		}
		for range random.IntN(20) {
			if err := unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE); err != nil {
				return err
			}
			for end := time.Now().Add(time.Duration(random.IntN(100)) * time.Microsecond); time.Now().Before(end); {
			}
		}
	}
	fmt.Println(turns)
	return nil
}

// leftover makes a file that says what it should.
func leftover(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// TestLaw07CollectorRemovesNothingElsewhere has root collect what locks have left
// behind below a directory where a stranger turns one into a link: the files
// there have the same names, and are others'.
func TestLaw07CollectorRemovesNothingElsewhere(t *testing.T) {
	p := newPlace(t, meetings["sticky"])
	p.furnish(t)
	before := p.snapshot(t)
	sub, link := filepath.Join(p.dir, "sub"), filepath.Join(p.stash, "link")
	must(t, os.Mkdir(sub, 0o777))
	must(t, os.Symlink(filepath.Join(p.outside, "victim", "lock.d"), link))
	must(t, errors.Join(os.Chown(sub, stranger, stranger), os.Lchown(link, stranger, stranger)))
	n := p.start(t, stranger, "turner", sub, link, fmt.Sprint(seed(t)))
	n.Expect("ready")
	runs, removed := 0, 0
	for end := time.Now().Add(locktest.Seconds(t, 2)); time.Now().Before(end); runs++ {
		_, said := p.call(t, root, "gc", "-r", "-y", p.dir)
		removed += strings.Count(said, "; removed\n")
		p.unharmed(t, before)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d runs removed %d leftovers; turned: %s", runs, removed, rest(t, n))
}
