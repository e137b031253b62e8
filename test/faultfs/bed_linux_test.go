package faultfs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

var must = verify.NoError

// A bed is a file system that can fail.
type bed struct {
	t        testing.TB
	dir      string // where it is
	server   *testproc.Proc
	injected map[Op]int // in all
}

// newBed mounts a file system that believes for so long what it knows.
func newBed(t testing.TB, ttl time.Duration) *bed {
	t.Helper()
	return bedOn(t, backing(t), ttl)
}

// backing returns a new directory in memory, where nothing waits for a disk.
func backing(t testing.TB) string {
	t.Helper()
	needMounts(t)
	dir := t.TempDir()
	must(t, unix.Mount("faultfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func needMounts(t testing.TB) {
	t.Helper()
	if os.Getenv(enclosed) == "" {
		t.Skip("mounting needs root, and the right to unshare mounts")
	}
}

// bedOn is newBed on a directory that there may be several of.
func bedOn(t testing.TB, backing string, ttl time.Duration) *bed {
	t.Helper()
	return bedOf(t, backing, ttl, "")
}

// bedOf is bedOn, mounted in that way.
func bedOf(t testing.TB, backing string, ttl time.Duration, way Way) *bed {
	t.Helper()
	needMounts(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("there is no FUSE here (load the module fuse, or run with --device /dev/fuse): %v", err)
	}
	b := &bed{t: t, dir: filepath.Join(t.TempDir(), "bed"), injected: map[Op]int{}}
	must(t, os.Mkdir(b.dir, 0o777))
	t.Cleanup(func() { unix.Unmount(b.dir, unix.MNT_DETACH) }) // if the server could not
	b.server = testproc.StartCommand(t, exec.Command(os.Getenv(enclosed), backing, b.dir, ttl.String(), string(way)))
	b.report()
	var st unix.Statfs_t
	must(t, unix.Statfs(b.dir, &st))
	if st.Type != unix.FUSE_SUPER_MAGIC {
		t.Fatal("nothing has been mounted")
	}
	return b
}

// fail has things go wrong from now on.
func (b *bed) fail(faults ...Fault) { b.carryOut(Plan{Faults: faults}) }

// heal has everything go well from now on, and returns how often what went wrong
// did.
func (b *bed) heal() int { return b.carryOut(Plan{}) }

func (b *bed) carryOut(p Plan) (struck int) {
	b.t.Helper()
	b.say(p)
	return b.report()
}

func (b *bed) report() (struck int) {
	b.t.Helper()
	for op, n := range b.read() {
		b.injected[op] += n
		struck += n
	}
	return struck
}

// look returns how often what goes wrong now has done so, by operations.
func (b *bed) look() map[Op]int {
	b.t.Helper()
	b.say(Plan{Look: true})
	return b.read()
}

func (b *bed) say(p Plan) {
	b.t.Helper()
	line, err := json.Marshal(p)
	must(b.t, err)
	b.server.Say(string(line))
}

func (b *bed) read() (by map[Op]int) {
	b.t.Helper()
	line := b.server.Line()
	if err := json.Unmarshal([]byte(line), &by); err != nil {
		b.t.Fatalf("the server says %q", line)
	}
	return by
}

// settle has temporary directories of the test be in the bed.
func (b *bed) settle(t *testing.T) {
	t.Helper()
	t.Setenv("TMPDIR", b.dir)
	t.Setenv("GOTMPDIR", b.dir)
	t.Run("TempDir", func(t *testing.T) {
		if dir := t.TempDir(); !strings.HasPrefix(dir, b.dir) {
			t.Fatalf("%s is not in the bed", dir)
		}
	})
}
