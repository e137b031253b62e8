package hostile

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"go.uber.org/goleak"
)

// bin holds the command filelock.
var bin string

var roles = map[string]testproc.Role{
	"neighbour": neighbour,
	"visitor":   visitor,
	"naive":     naive,
	"restore":   restore,
}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	dir, remove := testproc.BuildForTests()
	bin = dir
	verify.Main(m, goleak.Cleanup(func(status int) {
		remove()
		os.Exit(status)
	}))
}

// The users. None of them need have a name.
const (
	root     = 0
	victim   = 61_002
	stranger = 61_003
	both     = 61_004 // a group that the victim and the stranger are in
)

// within is how long anything may take that is not meant to take long.
const within = 30 * time.Second

var must = verify.NoError

// seed is that of all random choices; FILELOCK_SEED chooses it.
func seed(t testing.TB) uint64 {
	t.Helper()
	s := rand.Uint64()
	if text := os.Getenv("FILELOCK_SEED"); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("FILELOCK_SEED=%d", s)
		}
	})
	return s
}

// A place is where the stranger and the victim meet.
type place struct {
	program string // the test binary, where all can run it
	dir     string // in which both may write
	stash   string // the stranger's own
	outside string // which is no business of the stranger's
}

// newPlace makes a place whose common directory has the given mode. It is in
// memory if that can be, or flushing files would take most of the time.
func newPlace(t testing.TB, mode os.FileMode) place {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start processes of other users")
	}
	const memory = "/dev/shm"
	top, err := os.MkdirTemp(memory, "filelock-hostile")
	if err != nil {
		top, err = os.MkdirTemp("", "filelock-hostile")
	}
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	must(t, os.Chmod(top, 0o755))
	p := place{testproc.Publish(t), filepath.Join(top, "common"), filepath.Join(top, "stash"), filepath.Join(top, "outside")}
	for dir, owner := range map[string]int{p.dir: root, p.stash: stranger, p.outside: victim} {
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.Chown(dir, owner, owner))
	}
	must(t, os.Chown(p.dir, root, both))
	must(t, os.Chmod(p.dir, mode))
	return p
}

// start starts a process in a role, as a user.
func (p place) start(t testing.TB, uid uint32, role string, args ...string) *testproc.Proc {
	t.Helper()
	return testproc.StartCommand(t, testproc.As(t, uid, testproc.InRole(p.program, role, args...), both))
}

// command returns the command filelock, as a user.
func (p place) command(t testing.TB, uid uint32, args ...string) *exec.Cmd {
	t.Helper()
	return testproc.As(t, uid, exec.Command(filepath.Join(bin, "filelock"), args...), both)
}
