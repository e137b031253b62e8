package peers

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
	"github.com/gofilelock/filelock/lease"
	"github.com/gofilelock/filelock/marker"
)

// roles are what processes of this test binary can be.
var roles = map[string]testproc.Role{
	"gofrs":      func(args []string) error { return obey(&gofrs{lock: flock.New(args[0]), shared: len(args) > 1}) },
	"lockedfile": func(args []string) error { return obey(&lockedFile{path: args[0], shared: len(args) > 1}) },
	"ours":       func(args []string) error { return obey(&ours{lock: newOurs(args[0], args[1])}) },
}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	verify.Main(m)
}

// A peer is another program that locks files.
type peer struct {
	name     string
	kind     string // of our lock that it meets
	shares   bool   // knows shared locks
	tries    bool   // can make a single attempt
	nameless bool   // what stands for its lock does not always say whose it is
	start    func(t *testing.T, path string, shared bool) *testproc.Proc
}

var all = []peer{
	{name: "flock(1)", kind: "flock", shares: true, tries: true, start: startFlock},
	{name: "gofrs", kind: "flock", shares: true, tries: true, start: startRole("gofrs")},
	{name: "lockedfile", kind: "flock", shares: true, start: startRole("lockedfile")},
	{name: "py-filelock", kind: "flock", tries: true, start: startPython("FileLock")},
	{name: "zc.lockfile", kind: "flock", tries: true, start: startPython("zc")},
	{name: "lockf", kind: "record", shares: true, tries: true, start: startPython("lockf")},
	{name: "flufl.lock", kind: "lease", tries: true, start: startPython("flufl")},
	{name: "py-filelock soft", kind: "soft", tries: true, nameless: true, start: startPython("SoftFileLock")},
	{name: "LinkLockFile", kind: "link", tries: true, nameless: true, start: startPython("LinkLockFile")},
	{name: "MkdirLockFile", kind: "mkdir", tries: true, nameless: true, start: startPython("MkdirLockFile")},
	{name: "SymlinkLockFile", kind: "symlink", tries: true, nameless: true, start: startPython("SymlinkLockFile")},
	{name: "PIDLockFile", kind: "pid", tries: true, start: startPython("PIDLockFile")},
}

// outlives reports whether locks of a kind outlive their holders. Older soft
// markers are empty, which proves nothing.
func outlives(kind string) bool { return kind != "flock" && kind != "record" }

// newOurs returns our lock of a kind.
func newOurs(kind, path string, opts ...filelock.FileOption) filelock.Locker {
	switch kind {
	case "lease":
		return lease.New(path, lease.Config{}, locktest.Options(opts)...)
	case "record":
		return filelock.New(path, append(opts, filelock.WithRecordLocks())...)
	case "soft":
		return filelock.NewSoft(path, opts...)
	}
	if newMarker, ok := markers[kind]; ok {
		return newMarker(path, marker.Config{}, locktest.Options(opts)...)
	}
	return filelock.New(path, opts...)
}

// A taker is a lock as obey uses it.
type taker interface {
	acquire() error
	try() (bool, error)
	release() error
}

// obey does what it is told in lines, as peer.py does.
func obey(l taker) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		command := strings.Fields(in.Text())
		ok, err := true, error(nil)
		switch command[0] {
		case "acquire":
			err = l.acquire()
		case "try":
			ok, err = l.try()
		case "release":
			err = l.release()
		case "count":
			n, _ := strconv.Atoi(command[2])
			for range n {
				err = errors.Join(err, l.acquire(), addOne(command[1]), l.release())
			}
		}
		if err != nil {
			return err
		}
		fmt.Println(map[bool]string{true: "done", false: "busy"}[ok])
	}
	return nil
}

func addOne(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Append(nil, n+1), 0o666)
}

type gofrs struct {
	lock   *flock.Flock
	shared bool
}

func (g *gofrs) acquire() error {
	if g.shared {
		return g.lock.RLock()
	}
	return g.lock.Lock()
}

func (g *gofrs) try() (bool, error) {
	if g.shared {
		return g.lock.TryRLock()
	}
	return g.lock.TryLock()
}

func (g *gofrs) release() error { return g.lock.Unlock() }

// lockedFile is cmd/go's lockedfile.
type lockedFile struct {
	path   string
	shared bool
	file   *lockedfile.File
}

func (l *lockedFile) acquire() (err error) {
	flag := os.O_RDWR | os.O_CREATE
	if l.shared {
		flag = os.O_RDONLY | os.O_CREATE
	}
	l.file, err = lockedfile.OpenFile(l.path, flag, 0o666)
	return err
}

func (l *lockedFile) try() (bool, error) { return false, errors.ErrUnsupported }
func (l *lockedFile) release() error     { return l.file.Close() }

type ours struct {
	lock filelock.Locker
	hold *filelock.Hold
}

func (o *ours) acquire() (err error) {
	o.hold, err = o.lock.Acquire(context.Background())
	return err
}

func (o *ours) try() (bool, error) {
	var err error
	o.hold, err = o.lock.TryAcquire(context.Background())
	if errors.Is(err, filelock.ErrLocked) {
		return false, nil
	}
	return err == nil, err
}

func (o *ours) release() error { return o.hold.Release() }

func startRole(role string) func(t *testing.T, path string, shared bool) *testproc.Proc {
	return func(t *testing.T, path string, shared bool) *testproc.Proc {
		args := []string{path}
		if shared {
			args = append(args, "shared")
		}
		return testproc.Start(t, role, args...)
	}
}

//go:embed peer.py
var peerPy []byte

// python is the system's own, which has the libraries of its packages.
const python = "/usr/bin/python3"

// modules are what the Python peers need.
var modules = map[string]string{
	"FileLock": "filelock", "SoftFileLock": "filelock", "zc": "zc.lockfile", "zc default": "zc.lockfile", "lockf": "fcntl",
	"flufl": "flufl.lock", "LinkLockFile": "lockfile", "MkdirLockFile": "lockfile", "SymlinkLockFile": "lockfile", "PIDLockFile": "lockfile",
}

func startPython(kind string) func(t *testing.T, path string, shared bool) *testproc.Proc {
	return func(t *testing.T, path string, shared bool) *testproc.Proc {
		t.Helper()
		if err := exec.Command(python, "-c", "import "+modules[strings.Fields(kind)[0]]).Run(); err != nil {
			t.Skipf("Python's %s is not installed", modules[strings.Fields(kind)[0]])
		}
		script := filepath.Join(t.TempDir(), "peer.py")
		must(t, os.WriteFile(script, peerPy, 0o666))
		args := []string{script, kind, path}
		if shared {
			args = append(args, "shared")
		}
		return testproc.StartCommand(t, exec.Command(python, args...))
	}
}

func needFlock(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock(1) is not installed")
	}
}

// startFlock starts a shell that uses flock(1) as it is told.
func startFlock(t *testing.T, path string, shared bool) *testproc.Proc {
	t.Helper()
	needFlock(t)
	how := "-x"
	if shared {
		how = "-s"
	}
	const script = `
		exec 9>>"$1"
		while read -r command file n; do
			case $command in
			acquire) flock $2 9 ;;
			try) flock -n $2 9 || { echo busy; continue; } ;;
			release) flock -u 9 ;;
			count)
				while [ $n -gt 0 ]; do
					flock $2 "$1" sh -c 'read -r v <"$1"; printf %s $((v + 1)) >"$1"' sh "$file" 9>&-
					n=$((n - 1))
				done ;;
			esac
			echo done
		done`
	return testproc.StartCommand(t, exec.Command("sh", "-c", script, "sh", path, how))
}

var must = verify.NoError

func do(t testing.TB, p *testproc.Proc, command, want string) {
	t.Helper()
	p.Say(command)
	p.Expect(want)
}

// modes calls test for every pair of modes that the peer and ours can have.
func modes(t *testing.T, p peer, test func(t *testing.T, path string, theirs, ours bool)) {
	for _, theirs := range []bool{false, true} {
		for _, ours := range []bool{false, true} {
			if (theirs && !p.shares) || (ours && outlives(p.kind)) {
				continue
			}
			t.Run(fmt.Sprintf("%s/they share %v, we share %v", p.name, theirs, ours), func(t *testing.T) {
				test(t, filepath.Join(t.TempDir(), "x.lock"), theirs, ours)
			})
		}
	}
}

func mode(shared bool) filelock.AcquireOption {
	if shared {
		return filelock.Shared()
	}
	return filelock.Exclusive()
}

func TestPeersExcludeUs(t *testing.T) {
	ctx := context.Background()
	for _, p := range all {
		modes(t, p, func(t *testing.T, path string, theirs, ours bool) {
			proc := p.start(t, path, theirs)
			do(t, proc, "acquire", "done")
			l := newOurs(p.kind, path, mode(ours))
			h, err := l.TryAcquire(ctx)
			if theirs && ours {
				must(t, err)
				must(t, h.Release())
				return
			}
			if !errors.Is(err, filelock.ErrLocked) {
				t.Fatalf("TryAcquire: %v", err)
			}
			if !p.nameless {
				lockErr := new(filelock.LockError)
				errors.As(err, &lockErr)
				if holder, ok := lockErr.Holder(); !ok || holder.PID != proc.PID() || holder.Started.IsZero() || holder.Command == "" {
					t.Errorf("process %d has the lock, but the holder is %+v: %v", proc.PID(), holder, err)
				}
			}
			got := make(chan error, 1)
			go func() {
				h, err := l.Acquire(ctx)
				if err == nil {
					err = h.Release()
				}
				got <- err
			}()
			do(t, proc, "release", "done")
			must(t, <-got)
		})
	}
}

func TestWeExcludePeers(t *testing.T) {
	ctx := context.Background()
	for _, p := range all {
		modes(t, p, func(t *testing.T, path string, theirs, ours bool) {
			proc := p.start(t, path, theirs)
			l := newOurs(p.kind, path, mode(ours))
			h, err := l.Acquire(ctx)
			must(t, err)
			expect := "busy"
			if theirs && ours {
				expect = "done"
			}
			if p.tries {
				do(t, proc, "try", expect)
			}
			if expect == "done" {
				if !p.tries {
					do(t, proc, "acquire", "done")
				}
				must(t, h.Release())
				return
			}
			proc.Say("acquire")
			if !p.tries {
				waitUntilBlocked(t, proc.PID())
			}
			must(t, h.Release())
			proc.Expect("done")
			if _, err := l.TryAcquire(ctx); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("they have it, but TryAcquire: %v", err)
			}
			do(t, proc, "release", "done")
		})
	}
}

// waitUntilBlocked returns when the system shows that a process waits for a
// lock.
func waitUntilBlocked(t *testing.T, pid int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("this system does not show who waits for a lock")
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		locks, err := os.ReadFile("/proc/locks")
		must(t, err)
		for line := range strings.Lines(string(locks)) {
			if f := strings.Fields(line); len(f) > 5 && f[1] == "->" && f[5] == strconv.Itoa(pid) {
				return
			}
		}
	}
	t.Fatal("nobody waits")
}

// TestPeersCountWithUs has all programs of a kind count to the same end.
func TestPeersCountWithUs(t *testing.T) {
	const each = 40
	for _, kind := range []string{"flock", "record", "soft", "link", "mkdir", "symlink", "pid"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			path, counter := filepath.Join(dir, "x.lock"), filepath.Join(dir, "counter")
			must(t, os.WriteFile(counter, []byte("0"), 0o666))
			var procs []*testproc.Proc
			for _, p := range all {
				if p.kind == kind {
					procs = append(procs, p.start(t, path, false))
				}
			}
			for range 2 {
				procs = append(procs, testproc.Start(t, "ours", kind, path))
			}
			for _, p := range procs {
				p.Say(fmt.Sprintf("count %s %d", counter, each))
			}
			for _, p := range procs {
				p.Expect("done")
			}
			if got, err := os.ReadFile(counter); err != nil || string(got) != strconv.Itoa(each*len(procs)) {
				t.Errorf("%d processes counted to %s, %v", len(procs), got, err)
			}
		})
	}
}

// TestKilledPeerLetsUsIn has each peer killed while it holds the lock and we
// wait.
func TestKilledPeerLetsUsIn(t *testing.T) {
	for _, p := range all {
		if outlives(p.kind) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.lock")
			proc := p.start(t, path, false)
			do(t, proc, "acquire", "done")
			got := make(chan error, 1)
			go func() {
				h, err := newOurs(p.kind, path).Acquire(context.Background())
				if err == nil {
					err = h.Release()
				}
				got <- err
			}()
			proc.Kill()
			must(t, <-got)
		})
	}
}

func TestKilledHolderOfOursLetsPeersIn(t *testing.T) {
	for _, p := range all {
		if outlives(p.kind) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.lock")
			holder := testproc.Start(t, "ours", p.kind, path)
			do(t, holder, "acquire", "done")
			proc := p.start(t, path, false)
			proc.Say("acquire")
			holder.Kill()
			proc.Expect("done")
		})
	}
}

// TestZcContentIsTheSame compares what zc.lockfile leaves in its file with what
// ours leaves there for the same template.
func TestZcContentIsTheSame(t *testing.T) {
	dir := t.TempDir()
	theirs, own := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	proc := startPython("zc")(t, theirs, false)
	do(t, proc, "acquire", "done")
	h, err := filelock.New(own, filelock.WithContent(" {pid};{hostname}\n")).Acquire(context.Background())
	must(t, err)
	read := func(path string, pid int) string {
		b, err := os.ReadFile(path)
		must(t, err)
		return strings.ReplaceAll(string(b), strconv.Itoa(pid), "PID")
	}
	host, err := os.Hostname()
	must(t, err)
	want := " PID;" + host + "\n"
	if a, b := read(theirs, proc.PID()), read(own, os.Getpid()); a != want || b != want {
		t.Errorf("theirs is %q, ours is %q, want %q", a, b, want)
	}
	must(t, h.Release())
	do(t, proc, "release", "done")
	// And on one file: whoever is refused leaves the content alone.
	h, err = filelock.New(theirs, filelock.WithContent(" {pid};{hostname}\n")).Acquire(context.Background())
	must(t, err)
	do(t, proc, "try", "busy")
	if got := read(theirs, os.Getpid()); got != want {
		t.Errorf("after a refusal the content is %q, want %q", got, want)
	}
	must(t, h.Release())
}

// TestPeersEmptyMarkerIsNeverBroken has a hold that no record stands for.
func TestPeersEmptyMarkerIsNeverBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	proc := startPython("SoftFileLock")(t, path, false)
	do(t, proc, "acquire", "done")
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, long, long))
	_, err := filelock.NewSoft(path).Acquire(context.Background(), filelock.WithTimeout(50*time.Millisecond))
	if !errors.Is(err, filelock.ErrTimeout) || !strings.Contains(err.Error(), "marker is empty") {
		t.Error(err)
	}
	do(t, proc, "release", "done")
}
