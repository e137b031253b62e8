package holders

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

var roles = map[string]testproc.Role{"hold": hold, "ask": ask}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

// hold takes a lock of the kind and mode in its arguments and waits.
func hold(args []string) error {
	f, err := sys.Open(args[0], sys.ReadWrite)
	if err != nil {
		return err
	}
	try := f.TryLock
	if args[1] == "record" {
		try = f.TryRecordLock
	}
	if err := try(args[2] == "shared"); err != nil {
		return err
	}
	if len(args) > 3 { // leave the lock to a child
		file, err := f.OSFile(args[0])
		if err != nil {
			return err
		}
		cmd := exec.Command("sleep", "60")
		cmd.ExtraFiles = []*os.File{file}
		if err := cmd.Start(); err != nil {
			return err
		}
		fmt.Println(cmd.Process.Pid)
		return nil
	}
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	return nil
}

// ask tells which processes hold a lock of the kind in its arguments on the
// file of that device and number. It does so as a user who may not look into
// the processes of root. With a path it holds a lock there itself.
func ask(args []string) error {
	var kind Kind
	var id sys.ID
	fmt.Sscan(strings.Join(args, " "), &kind, &id.Dev, &id.Ino)
	if len(args) > 3 {
		f, err := sys.Open(args[3], sys.ReadWrite)
		if err != nil {
			return err
		}
		if err := f.TryLock(false); err != nil {
			return err
		}
	}
	const nobody = 65534
	err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody))
	// Or else not even its own descriptors.
	err = errors.Join(err, unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
	if err != nil {
		return err
	}
	locks, err := List(id, kind)
	if errors.Is(err, ErrUnknown) {
		fmt.Println("unknown")
		return nil
	}
	for i, l := range locks {
		if l.PID == os.Getpid() {
			locks[i].PID = -1
		}
	}
	fmt.Println(locks)
	return err
}

func start(t *testing.T, path string, args ...string) *testproc.Proc {
	p := testproc.Start(t, "hold", append([]string{path}, args...)...)
	p.Expect("ready")
	return p
}

func list(t *testing.T, path string, kind Kind) []Lock {
	t.Helper()
	info, err := sys.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := List(info.ID, kind)
	if err != nil {
		t.Fatal(err)
	}
	return locks
}

func newFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestListNamesTheHolder(t *testing.T) {
	path := newFile(t)
	if got := list(t, path, Flock); len(got) != 0 {
		t.Errorf("a free lock is held by %v", got)
	}
	p := start(t, path, "flock", "exclusive")
	if got, want := list(t, path, Flock), []Lock{{p.PID(), false}}; !slices.Equal(got, want) {
		t.Errorf("holders are %v, want %v", got, want)
	}
	if got := list(t, path, Record); len(got) != 0 {
		t.Errorf("a flock is called a record lock of %v", got)
	}
	r := start(t, path, "record", "exclusive")
	if got, want := list(t, path, Record), []Lock{{r.PID(), false}}; !slices.Equal(got, want) {
		t.Errorf("holders of the record lock are %v, want %v", got, want)
	}
}

func TestListNamesAllWhoShare(t *testing.T) {
	path := newFile(t)
	for _, kind := range []struct {
		name string
		kind Kind
	}{{"flock", Flock}, {"record", Record}} {
		want := []Lock{{start(t, path, kind.name, "shared").PID(), true}, {start(t, path, kind.name, "shared").PID(), true}}
		slices.SortFunc(want, func(a, b Lock) int { return a.PID - b.PID })
		if got := list(t, path, kind.kind); !slices.Equal(got, want) {
			t.Errorf("%s: holders are %v, want %v", kind.name, got, want)
		}
	}
}

// TestListFindsTheHeir has a process take a lock and leave it to its child.
func TestListFindsTheHeir(t *testing.T) {
	path := newFile(t)
	for _, kind := range []struct {
		name string
		kind Kind
	}{{"flock", Flock}, {"record", Record}} {
		p := testproc.Start(t, "hold", path, kind.name, "exclusive", "heir")
		var heir int
		fmt.Sscan(p.Line(), &heir)
		t.Cleanup(func() {
			if proc, err := os.FindProcess(heir); err == nil {
				proc.Kill()
			}
		})
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		if got, want := list(t, path, kind.kind), []Lock{{heir, false}}; !slices.Equal(got, want) {
			t.Errorf("%s: holders are %v, want %v", kind.name, got, want)
		}
	}
}

func TestListOverlooksWaiters(t *testing.T) {
	path := newFile(t)
	p := start(t, path, "flock", "exclusive")
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("flock(1) is not installed")
	}
	waiter := exec.Command(flock, path, "true")
	if err := waiter.Start(); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(read(t, "/proc/locks"), "-> FLOCK") {
		continue // until it waits
	}
	if got, want := list(t, path, Flock), []Lock{{p.PID(), false}}; !slices.Equal(got, want) {
		t.Errorf("holders are %v, want %v", got, want)
	}
	p.Kill()
	if err := waiter.Wait(); err != nil {
		t.Error(err)
	}
}

// asker starts ask, by way of another program if one is given.
func asker(t *testing.T, by []string, kind Kind, id sys.ID, path ...string) *testproc.Proc {
	t.Helper()
	if by != nil {
		if out, err := exec.Command(by[0], append(by[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v, %s", by[0], err, out)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words := slices.Concat(by, []string{self}, strings.Fields(fmt.Sprintln(int(kind), id.Dev, id.Ino)), path)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), testproc.Environment("ask")...)
	return testproc.StartCommand(t, cmd)
}

// idOf returns the ID of the file at path, and the one that the same file has
// if /proc/locks shows its file system by another number, as it does btrfs.
func idOf(t *testing.T, path string) (id, shown sys.ID) {
	t.Helper()
	info, err := sys.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ID, sys.ID{Dev: info.ID.Dev + 1, Ino: info.ID.Ino}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
}

func TestHiddenHolderIsNotDenied(t *testing.T) {
	needRoot(t)
	hidepid := []string{"unshare", "--mount", "sh", "-euc", `mount -t proc -o hidepid=2 proc /proc; exec "$@"`, "sh"}
	for name, kind := range map[string]Kind{"flock": Flock, "record": Record} {
		for _, by := range [][]string{nil, hidepid} {
			path := newFile(t)
			id, shown := idOf(t, path)
			asker(t, by, kind, id).Expect("[]")
			asker(t, by, kind, shown).Expect("[]")
			p := start(t, path, name, "shared")
			want := Lock{p.PID(), true}
			if kind == Record { // it belongs to the open file
				want.PID = 0
			}
			asker(t, by, kind, id).Expect(fmt.Sprint([]Lock{want}))
			asker(t, by, kind, shown).Expect("unknown")
		}
	}
}

// TestLockElsewhereIsNoDoubt has a lock of our own on another file of the number.
func TestLockElsewhereIsNoDoubt(t *testing.T) {
	needRoot(t)
	path := newFile(t)
	id, shown := idOf(t, path)
	first := asker(t, nil, Flock, id, path)
	first.Expect("[{-1 false}]")
	first.Wait() // and with it goes its lock
	asker(t, nil, Flock, shown, path).Expect("[]")
}

// TestForeignNumbersAreNotShown has a /proc of an outer pid namespace.
func TestForeignNumbersAreNotShown(t *testing.T) {
	needRoot(t)
	inner := []string{"unshare", "--pid", "--fork", "--kill-child"}
	path := newFile(t)
	id, _ := idOf(t, path)
	p := start(t, path, "flock", "exclusive")
	asker(t, inner, Flock, id).Expect("[{0 false}]")
	p.Kill()
	asker(t, inner, Flock, id, path).Expect("[{-1 false}]")
}

func read(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseEntry(t *testing.T) {
	id := sys.ID{Dev: 0xfe00, Ino: 131090}
	for line, want := range map[string]entry{
		"1: FLOCK  ADVISORY  WRITE 1234 fe:00:131090 0 EOF\n": {kind: Flock, pid: 1234, id: id},
		"2: -> FLOCK  ADVISORY  READ 5 fe:00:131090 0 EOF\n":  {waiting: true, kind: Flock, shared: true, pid: 5, id: id},
		"3: OFDLCK ADVISORY  WRITE -1 fe:00:131090 0 EOF\n":   {kind: Record, pid: -1, id: id},
		"4: POSIX  ADVISORY  READ 7 fe:00:131090 128 200\n":   {kind: Record, process: true, shared: true, pid: 7, id: id},
	} {
		got, ok := parseEntry([]byte(line))
		if !ok || got != want {
			t.Errorf("%q is %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{
		"", "\n", "1:", "1: ->", "1: LEASE  ACTIVE    READ  1 fe:00:1 0 EOF", "1: FLOCK ADVISORY NONE 1 fe:00:1 0 EOF",
		"1: FLOCK ADVISORY WRITE x fe:00:1 0 EOF", "1: FLOCK ADVISORY WRITE 1 fe:00 0 EOF", "1: FLOCK ADVISORY WRITE 1 fe:00:x 0 EOF",
		"1: FLOCK ADVISORY WRITE 1 <none>:0 0 EOF",
	} {
		if e, ok := parseEntry([]byte(line)); ok {
			t.Errorf("%q is accepted: %+v", line, e)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte("1: FLOCK  ADVISORY  WRITE 1234 fe:00:131090 0 EOF\n"))
	f.Add([]byte("2: -> OFDLCK ADVISORY  READ -1 fe:00:131090 0 EOF\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := parseEntry(line)
		if !ok {
			return
		}
		arrow, mode, kind := "", "WRITE", "FLOCK"
		if e.waiting {
			arrow = "-> "
		}
		if e.shared {
			mode = "READ"
		}
		switch {
		case e.process:
			kind = "POSIX"
		case e.kind == Record:
			kind = "OFDLCK"
		}
		major, minor := devNumbers(e.id.Dev)
		text := fmt.Appendf(nil, "1: %s%s ADVISORY %s %d %02x:%02x:%d 0 EOF\n", arrow, kind, mode, e.pid, major, minor, e.id.Ino)
		if again, ok := parseEntry(text); !ok || again != e {
			t.Errorf("%q is %+v; %q is %+v, %v", line, e, text, again, ok)
		}
	})
}

func devNumbers(dev uint64) (major, minor uint32) { return unix.Major(dev), unix.Minor(dev) }
