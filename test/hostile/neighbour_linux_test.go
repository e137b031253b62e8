package hostile

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// names are those that locks of x, and the file data, have. Others are found
// where they are made.
var names = []string{
	"x", "x.lock", "x.lock.token", "x.lock.break", "x.lock.0000000000000000.claim",
	"data", "data.lock", "data.lock.new",
}

// A setter of traps is the stranger.
type setter struct {
	dir, stash, outside string
	random              *rand.Rand
	gentle              bool // nothing that leads outside at the name of data
	laid                int
	open                [32]*os.File // with leases and locks of the stranger's
	leaks               map[string]bool
}

// neighbour is the stranger: it lays traps until its input ends. Its arguments
// are the common directory, the stash, the outside, the seed, and whether it is
// gentle.
func neighbour(args []string) error {
	signal.Ignore(syscall.SIGIO) // of leases that others want
	seed, err := strconv.ParseUint(args[3], 10, 64)
	if err != nil {
		return err
	}
	unix.Umask(0)
	s := &setter{
		dir: args[0], stash: args[1], outside: args[2], random: rand.New(rand.NewPCG(seed, 1)),
		gentle: args[4] == "true", leaks: map[string]bool{},
	}
	fmt.Println("ready")
	for over := untilInputEnds(); !over.Load(); {
		s.act()
	}
	s.clearAll()
	fmt.Println("laid", s.laid)
	return nil
}

// untilInputEnds returns what becomes true when nobody writes to this process any
// more.
func untilInputEnds() *atomic.Bool {
	over := &atomic.Bool{}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	return over
}

func (s *setter) act() {
	name := s.name()
	path := filepath.Join(s.dir, name)
	s.spy(path)
	switch s.random.IntN(4) {
	case 0:
		s.meddle(path)
	case 1:
		s.exchange(path, s.lay(name))
	default:
		trap := s.lay(name)
		if trap == "" {
			return
		}
		if os.Rename(trap, path) != nil { // a directory, or somebody else's
			s.clear(path)
			os.Rename(trap, path)
		}
	}
}

// name returns one of those that locks have, or of what is there.
func (s *setter) name() string {
	if s.random.IntN(3) == 0 {
		if there, err := os.ReadDir(s.dir); err == nil && len(there) > 0 {
			return there[s.random.IntN(len(there))].Name()
		}
	}
	return names[s.random.IntN(len(names))]
}

// lay prepares a trap for that name in the stash, and returns its path.
func (s *setter) lay(name string) string {
	s.laid++
	path := filepath.Join(s.stash, fmt.Sprint("trap", s.laid%64))
	s.clear(path)
	kind := s.random.IntN(12)
	if s.gentle && strings.HasPrefix(name, "data") && kind <= 4 {
		kind = 5
	}
	var err error
	switch kind {
	case 0, 1, 2:
		err = os.Symlink(s.target(), path)
	case 3, 4:
		err = os.Link(s.belonging(), path)
	case 5:
		err = unix.Mknod(path, []uint32{unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR}[s.random.IntN(3)]|0o666, 0)
	case 6:
		err = os.Link(filepath.Join(s.stash, []string{"zero", "full"}[s.random.IntN(2)]), path) // devices
	case 7:
		err = s.directory(path)
	case 8:
		err = s.huge(path, name)
	default:
		err = s.forge(path)
	}
	if err != nil {
		return ""
	}
	return path
}

// belonging returns the path of a file outside.
func (s *setter) belonging() string {
	homes, _ := filepath.Glob(filepath.Join(s.outside, "*", "*"))
	return homes[s.random.IntN(len(homes))]
}

// target returns where a link may lead.
func (s *setter) target() string {
	elsewhere := []string{
		"/dev/full", "/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem", ".", "..", "x.lock", "x", "nowhere",
		filepath.Join(s.outside, "victim", "new"), filepath.Join(s.outside, "root", "new"), filepath.Join(s.outside, "victim"),
		filepath.Join(s.outside, "victim", "lock.d"), filepath.Join(s.outside, "victim", "empty.d"), deadName(), escapes[:20],
	}
	if i := s.random.IntN(2 * len(elsewhere)); i < len(elsewhere) {
		return elsewhere[i]
	}
	return s.belonging()
}

func (s *setter) directory(path string) error {
	if err := os.Mkdir(path, os.FileMode([]int{0o777, 0o755, 0o700, 0}[s.random.IntN(4)])); err != nil {
		return err
	}
	for range s.random.IntN(3) {
		entry := filepath.Join(path, []string{deadName(), "x", escapes[:9]}[s.random.IntN(3)])
		if s.random.IntN(2) == 0 {
			os.Symlink(s.belonging(), entry)
		} else {
			unix.Mknod(entry, unix.S_IFREG|0o666, 0) // or it would be the one who writes through a link
		}
	}
	return nil
}

// huge makes a file that must not be read whole. Data is: that is what it is for.
func (s *setter) huge(path, name string) error {
	if err := s.forge(path); err != nil || strings.HasPrefix(name, "data") {
		return err
	}
	const size = 1 << 40
	return os.Truncate(path, size)
}

// forge makes a file with a record, a mode and times that it should not have.
func (s *setter) forge(path string) error {
	all := forgeries(os.Getppid())
	text := all[s.random.IntN(len(all))]
	mode := os.FileMode([]uint32{0o666, 0o666, 0o644, 0o600, 0o444, 0o222, 0}[s.random.IntN(7)])
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		return err
	}
	times := []time.Time{time.Now(), time.Unix(0, 0), time.Unix(1<<33, 0), time.Unix(1<<34-1, 0), time.Unix(-1<<31, 0), time.Now().Add(-time.Hour)}
	at := times[s.random.IntN(len(times))]
	return errors.Join(os.Chtimes(path, at, at), os.Chmod(path, mode))
}

// exchange has the trap change places with what is at the path, to and fro.
func (s *setter) exchange(path, trap string) {
	if trap == "" {
		return
	}
	for range s.random.IntN(200) {
		if unix.Renameat2(unix.AT_FDCWD, trap, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE) != nil {
			return
		}
	}
}

// meddle does to what is at the path what one may do to a file: lock it, lease
// it, change its mode and its times, and write to one's own.
func (s *setter) meddle(path string) {
	flags := []int{os.O_RDONLY, os.O_RDWR}[s.random.IntN(2)]
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	slot := &s.open[s.random.IntN(len(s.open))]
	(*slot).Close()
	*slot = f
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	own := info.Sys().(*syscall.Stat_t).Uid == stranger
	switch kind := s.random.IntN(6); {
	case kind == 0:
		unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	case kind == 1:
		unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	case !own:
	case kind == 2:
		unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	case kind == 3:
		f.Chmod(os.FileMode(s.random.IntN(0o1000)))
	case kind == 4:
		at := time.Unix(s.random.Int64N(1<<34), 0)
		os.Chtimes(path, at, at)
	default:
		f.Truncate(s.random.Int64N(100))
	}
}

// clear takes away what is at the path, if that is possible.
func (s *setter) clear(path string) {
	if unix.Unlink(path) == nil || unix.Rmdir(path) == nil {
		return
	}
	away := filepath.Join(s.stash, fmt.Sprint("gone", s.random.IntN(1000)))
	if os.Rename(path, away) == nil {
		os.RemoveAll(away)
	}
}

func (s *setter) clearAll() {
	for _, f := range s.open {
		f.Close()
	}
	there, _ := os.ReadDir(s.dir)
	for _, entry := range there {
		s.clear(filepath.Join(s.dir, entry.Name()))
	}
}

// spy looks for files of the victim's that others may read: it wants none, and
// has said so by its umask. What replaces data, or is about to, has the permissions
// of what was there: of a file of the stranger's, where lockedfile cannot tell.
func (s *setter) spy(path string) {
	if name := filepath.Base(path); s.gentle && (name == "data" || name == "data.lock.new") {
		return
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o077 == 0 {
		return
	}
	st := info.Sys().(*syscall.Stat_t)
	leak := fmt.Sprintf("leak %q %v", filepath.Base(path), info.Mode())
	if st.Uid != stranger && st.Nlink == 1 && !s.leaks[leak] {
		s.leaks[leak] = true
		fmt.Println(leak)
	}
}
