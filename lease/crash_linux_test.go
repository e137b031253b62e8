package lease_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lease"
)

func init() {
	roles["counting"] = counting
	roles["crashing"] = crashing
	roles["breaking"] = breaking
}

// rounds returns how often to do something, which an environment variable can
// say.
func rounds(t testing.TB, variable string, usually int) int {
	s := os.Getenv(variable)
	if s == "" {
		return usually
	}
	n, err := strconv.Atoi(s)
	must(t, err)
	return n
}

// age has the lease of the lock at path end long ago, if there is one, so that
// nobody has to wait for that.
func age(path string) error {
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// A scene is what the processes of a test work on.
type scene struct{ dir string }

func (s scene) lock() string    { return filepath.Join(s.dir, "x.lock") }
func (s scene) counter() string { return filepath.Join(s.dir, "counter") }

// count is one piece of work under the lock: it makes sure that nobody else is
// at it, adds one to the counter, and notes what it came to.
func (s scene) count(log io.Writer) error {
	inside, own := filepath.Join(s.dir, "inside"), filepath.Join(s.dir, fmt.Sprintf("inside.%d", os.Getpid()))
	if err := os.WriteFile(own, fmt.Append(nil, os.Getpid()), 0o666); err != nil {
		return err
	}
	err := os.Link(own, inside)
	if errors.Is(err, fs.ErrExist) {
		other, errRead := os.ReadFile(inside)
		pid, errPID := strconv.Atoi(string(other))
		if errRead != nil || errPID != nil || !(procid.ID{PID: pid, Space: procid.Self().Space}).Dead() {
			return fmt.Errorf("two have the lock, the other is %q", other)
		}
		err = os.Rename(own, inside) // of somebody who was killed
	}
	if err != nil {
		return err
	}
	b, err := os.ReadFile(s.counter())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return err
	}
	c, err := os.OpenFile(s.counter(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c, "%10d\n", n+1) // always as long: nobody leaves half of it
	fmt.Fprintln(log, n+1)
	os.Remove(own)
	return errors.Join(err, c.Close(), os.Remove(inside))
}

func (s scene) value(t testing.TB) int {
	b, err := os.ReadFile(s.counter())
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	return n
}

// counting is a process that counts until it is killed. Its arguments are the
// directory and its number.
func counting(args []string) error {
	s := scene{args[0]}
	log, err := os.OpenFile(filepath.Join(s.dir, "log."+args[1]), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	failed := make(chan error)
	for range 2 {
		go func() {
			l := lease.New(s.lock(), fenced)
			for {
				if err := l.Do(bg, func(context.Context) error { return s.count(log) }); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

// TestKilledProcessesLoseNoCount kills processes at random moments while they
// count, and has the leases of the dead end at once.
func TestKilledProcessesLoseNoCount(t *testing.T) {
	const processes = 3
	s := scene{t.TempDir()}
	must(t, os.WriteFile(s.counter(), fmt.Appendf(nil, "%10d\n", 0), 0o666))
	start := func(i int) *testproc.Proc {
		p := testproc.Start(t, "counting", s.dir, strconv.Itoa(i))
		p.Expect("ready")
		return p
	}
	procs := make([]*testproc.Proc, processes)
	for i := range procs {
		procs[i] = start(i)
	}
	l := lease.New(s.lock(), fenced)
	kills, holders := rounds(t, "FILELOCK_KILLS", 50), 0
	for round := range kills {
		time.Sleep(time.Duration(rand.IntN(10000)) * time.Microsecond) // at a random moment
		i := rand.IntN(processes)
		procs[i].Kill()
		if code := procs[i].Cmd.ProcessState.ExitCode(); code == testproc.Failed {
			t.Fatalf("round %d: process %d had failed", round, i)
		}
		if d, err := l.Details(bg); err == nil && d.PID == procs[i].PID() {
			holders++
			must(t, age(s.lock()))
		}
		before := s.value(t)
		for end := time.Now().Add(30 * time.Second); s.value(t) == before; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatalf("round %d: the lock stays taken", round)
			}
		}
		procs[i] = start(i)
	}
	for i, p := range procs {
		p.Kill()
		if code := p.Cmd.ProcessState.ExitCode(); code == testproc.Failed {
			t.Errorf("process %d had failed", i)
		}
	}
	seen := map[string]bool{}
	logs, err := filepath.Glob(filepath.Join(s.dir, "log.*"))
	must(t, err)
	for _, name := range logs {
		b, err := os.ReadFile(name)
		must(t, err)
		for line := range strings.Lines(string(b)) {
			if seen[line] {
				t.Errorf("two have counted %s", line)
			}
			seen[line] = true
		}
	}
	total := s.value(t)
	if missing := total - len(seen); missing < 0 || missing > kills+processes {
		t.Errorf("of %d counts %d are not noted", total, missing)
	}
	t.Logf("%d kills, %d of them of the holder, %d counts", kills, holders, total)
}

// crashing is a process that takes and gives back a lease, and ends ahead of one
// of its file operations as if it were killed. Its arguments are the path and
// the number of the operation.
func crashing(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var mu sync.Mutex
	count := 0
	fault.Install(&fault.Plan{Before: func(fault.Op, string) error {
		mu.Lock()
		defer mu.Unlock()
		if count++; count == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Hour) // until it takes effect
		}
		return nil
	}})
	if err := lease.New(args[0], fenced).Do(bg, func(context.Context) error { return nil }); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestLaw11CrashAheadOfEveryOperationLeavesNoHalfRecord walks through an
// acquisition and a release, of a free lock and of one whose lease has ended.
func TestLaw11CrashAheadOfEveryOperationLeavesNoHalfRecord(t *testing.T) {
	for _, ended := range []bool{false, true} {
		for n := 1; ; n++ {
			path := lockPath(t)
			if ended {
				leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
			}
			p := testproc.Start(t, "crashing", path, strconv.Itoa(n))
			out := p.Rest()
			p.Wait()
			l := lease.New(path, fenced)
			if s, err := l.Inspect(bg); err != nil || s.Held && s.Holders[0].PID == 0 {
				t.Fatalf("after a crash ahead of operation %d: %+v, %v", n, s, err)
			}
			must(t, age(path))
			h, err := l.TryAcquire(bg)
			if err != nil {
				t.Fatalf("after a crash ahead of operation %d: %v", n, err)
			}
			must(t, h.Release())
			for _, name := range files(t, path) {
				own := fmt.Sprintf("x.lock|%s|%d|", host(t), p.PID()) // before it was linked, or after
				if name != "x.lock.token" && !strings.HasPrefix(name, own) && !strings.Contains(name, "another.example") {
					t.Errorf("after a crash ahead of operation %d %s is left", n, name)
				}
			}
			if out != "" {
				t.Logf("ended: %v, %d crashes", ended, n-1)
				break
			}
		}
	}
}

// breaking is a process that again and again breaks a lease that has ended, has
// the lock, and leaves it as if it had been killed. Its arguments are the
// directory, how long to go on, and "unguarded" if there is no flock.
func breaking(args []string) error {
	s := scene{args[0]}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	if len(args) > 2 {
		fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Lock {
				return syscall.ENOLCK
			}
			return nil
		}})
	}
	l, n := lease.New(s.lock(), quick), 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		h, err := l.Acquire(bg, filelock.WithPollInterval(100*time.Microsecond), filelock.WithTimeout(10*time.Second))
		if err != nil {
			return err
		}
		if err := s.count(io.Discard); err != nil {
			return err
		}
		own := fmt.Sprintf("%s.%d", s.lock(), os.Getpid())
		err = errors.Join(os.WriteFile(own, []byte(s.lock()+"|another|1|1"), 0o666), age(own), os.Rename(own, s.lock()))
		if err != nil {
			return err
		}
		if err := h.Release(); !errors.Is(err, filelock.ErrLost) {
			return fmt.Errorf("the release of what is gone: %w", err)
		}
	}
	fmt.Println(n)
	return nil
}

// storm has processes break leases for a while, and returns how many they broke
// and what went wrong.
func storm(t *testing.T, d time.Duration, how ...string) (breaks, failures int) {
	s := scene{t.TempDir()}
	must(t, os.WriteFile(s.counter(), fmt.Appendf(nil, "%10d\n", 0), 0o666))
	var procs []*testproc.Proc
	for range 6 {
		procs = append(procs, testproc.Start(t, "breaking", append([]string{s.dir, d.String()}, how...)...))
	}
	for _, p := range procs {
		n, err := strconv.Atoi(strings.TrimSpace(p.Rest()))
		if errWait := p.Wait(); errWait != nil || err != nil {
			failures++
		}
		breaks += n
	}
	return breaks, failures
}

// TestLaw07OnlyTheInspectedLeaseIsBroken would let two have the lock if another
// one were ever removed.
func TestLaw07OnlyTheInspectedLeaseIsBroken(t *testing.T) {
	d := time.Duration(rounds(t, "FILELOCK_BREAK_SECONDS", 1)) * time.Second
	breaks, failures := storm(t, d)
	if failures > 0 || breaks < 10 {
		t.Errorf("%d of 6 processes failed, in %d breaks", failures, breaks)
	}
	t.Logf("%d breaks in %v", breaks, d)
}

// TestLaw07IsFoundBroken where nobody can be kept from a lock, as the package
// says: so the test above would notice.
func TestLaw07IsFoundBroken(t *testing.T) {
	for range 20 {
		if _, failures := storm(t, 500*time.Millisecond, "unguarded"); failures > 0 {
			return
		}
	}
	t.Error("breaking without flock goes unnoticed")
}

// TestLaw11FailureOfAnyOperationRollsEverythingBack covers law 18 too: a release
// that failed is reported, and can be repeated.
func TestLaw11FailureOfAnyOperationRollsEverythingBack(t *testing.T) {
	const ended = "ended"
	plain := quick
	plain.NoRenewal = true
	total := 0
	for name, config := range map[string]lease.Config{"free": quick, ended: quick, "fenced": fenced, "plain": plain} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				var reached fault.Op
				t.Run(fmt.Sprintf("%s/%d/%v", name, n, after), func(t *testing.T) {
					path := lockPath(t)
					if name == ended {
						leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
					}
					var err error
					reached, err = failNth(t, lease.New(path, config), n, after)
					// Nobody minds if a link's reply is lost, or if the claim of
					// a lock that was broken cannot be removed.
					harmless := after && reached == fault.Link || name == ended
					if reached == "" && err != nil || reached != "" && !errors.Is(err, syscall.EIO) && !(harmless && err == nil) {
						t.Errorf("%q failed, but the error is %v", reached, err)
					}
					for _, left := range files(t, path) {
						if left != "x.lock.token" && !strings.Contains(left, "another.example") {
							t.Errorf("%s failed, and %s is left", reached, left)
						}
					}
					if content, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) && !strings.Contains(string(content), "another.example") {
						t.Errorf("%s failed, and the lock is left: %q, %v", reached, content, err)
					}
				})
				if reached == "" {
					break
				}
				total++
			}
		}
	}
	t.Logf("%d failures of an operation", total)
}

// canFailAfter holds the operations that can be done and yet reported as failed,
// as by a server whose reply is lost.
var canFailAfter = map[fault.Op]bool{
	fault.Lock: true, fault.Unlock: true, fault.Write: true, fault.Link: true, fault.Unlink: true, fault.Times: true, fault.Sync: true,
}

// failNth takes and gives back the lock while the nth operation fails, and
// returns which one that was and what came of it.
func failNth(t *testing.T, l *lease.Lock, n int, after bool) (reached fault.Op, err error) {
	var mu sync.Mutex
	count := 0
	fail := func(op fault.Op, applies bool) error {
		mu.Lock()
		defer mu.Unlock()
		if !applies {
			return nil
		}
		if count++; count != n {
			return nil
		}
		reached = op
		return syscall.EIO
	}
	before := descriptors(t)
	remove := fault.Install(&fault.Plan{
		Before: func(op fault.Op, _ string) error { return fail(op, !after && op != fault.Close) },
		After: func(op fault.Op, _ string, err error) error {
			if err != nil {
				return err
			}
			return fail(op, op == fault.Close || after && canFailAfter[op])
		},
	})
	h, err := l.TryAcquire(bg)
	if err == nil {
		err = h.Release()
	}
	remove()
	if h != nil && err != nil {
		again := h.Release()
		if again != nil && !errors.Is(again, filelock.ErrLost) && !errors.Is(again, filelock.ErrNotHeld) {
			t.Errorf("%s failed, and then %v", reached, again)
		}
	}
	if l.Held() {
		t.Errorf("%s failed, and it is still held", reached)
	}
	must(t, filelock.ReleaseAll()) // what is owed
	if now := descriptors(t); now > before {
		t.Errorf("%s failed: %d descriptors, %d before", reached, now, before)
	}
	return reached, err
}

// descriptors counts the open files of this process, but for the inotify
// instance, which lingers.
func descriptors(t *testing.T) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to != "anon_inode:inotify" {
			n++
		}
	}
	return n
}

// TestLaw09ClaimIsLookedAtAgain has the lock removed at once after it was made,
// and then between the token and the first renewal.
func TestLaw09ClaimIsLookedAtAgain(t *testing.T) {
	path := lockPath(t)
	l := lease.New(path, fenced)
	once := true
	remove := fault.Install(&fault.Plan{After: func(op fault.Op, _ string, err error) error {
		if op == fault.Link && once {
			once = false
			must(t, os.Remove(path))
		}
		return err
	}})
	h, err := l.TryAcquire(bg)
	remove()
	must(t, err)
	must(t, h.Release())

	// A process that is stopped for long: meanwhile another has had a token.
	var other *testproc.Proc
	remove = fault.Install(&fault.Plan{Before: func(op fault.Op, name string) error {
		if op == fault.Sync && other == nil {
			must(t, age(path))
			other = kind.Elsewhere(t, path)
		}
		return nil
	}})
	h, err = l.TryAcquire(bg)
	remove()
	want(t, err, filelock.ErrLocked)
	if h != nil || l.Held() {
		t.Error("it is held")
	}
	other.Say("release")
	other.Expect("done")
	if left := files(t, path); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
}

// TestLeaseNeedsNoFlock, but for tokens.
func TestLeaseNeedsNoFlock(t *testing.T) {
	defer fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
		if op == fault.Lock {
			return syscall.ENOLCK
		}
		return nil
	}})()
	path := lockPath(t)
	leave(t, path, "another.example", 1, time.Now().Add(-time.Hour))
	l := lease.New(path, quick)
	h := acquire(t, l)
	must(t, l.Refresh(h.Context(), 0))
	must(t, h.Release())
	nothingIsLeft(t, path)
	_, err := lease.New(path, fenced).Acquire(bg)
	want(t, err, filelock.ErrUnsupported)
	if left := files(t, path); len(left) != 1 { // the token's file
		t.Errorf("%q are left", left)
	}
}

// TestLaw24TrapsAreNotFollowed has what a stranger could put in the lock's place.
func TestLaw24TrapsAreNotFollowed(t *testing.T) {
	for name, set := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
		"dangling":  func(path string) error { return os.Symlink("nowhere", path) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"directory": func(path string) error { return os.Mkdir(path, 0o777) },
		"token":     func(path string) error { return os.Symlink("/etc/passwd", path+".token") },
	} {
		path := lockPath(t)
		must(t, set(path))
		l := lease.New(path, fenced)
		ctx, cancel := context.WithTimeout(bg, 10*time.Second)
		_, err := l.Acquire(ctx)
		cancel()
		if err == nil || errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "token" {
			want(t, err, fs.ErrInvalid)
			if _, err := l.State(bg); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: the state is told: %v", name, err)
			}
			if left := files(t, path); len(left) > 0 {
				t.Errorf("%s: %q are left", name, left)
			}
		}
	}
}

func init() { roles["holding"] = holding }

// stopped is what the tests of stopped processes use.
var stopped = lease.Config{Lifetime: time.Second, Slop: 200 * time.Millisecond, Fencing: true}

// holding is a process that holds the lock at a path, and says what it knows of
// that when it is asked. With a second argument its renewals fail.
func holding(args []string) error {
	h, err := lease.New(args[0], stopped).Acquire(bg)
	if err != nil {
		return err
	}
	if len(args) > 1 {
		fault.Install(&fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == fault.Times {
				return syscall.EIO
			}
			return nil
		}})
	}
	fmt.Println(h.Token())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "held?":
			fmt.Println(h.Context().Err() == nil)
		case "lost?":
			<-h.Context().Done()
			fmt.Println(time.Now().UnixNano(), context.Cause(h.Context()))
		case "release":
			fmt.Println(h.Release())
		}
	}
	return nil
}

func number(t *testing.T, line string) int64 {
	t.Helper()
	first, _, _ := strings.Cut(line, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	must(t, err)
	return n
}

// TestLaw13HolderIsToldBeforeAnotherHasTheLock has the renewals of a process fail.
func TestLaw13HolderIsToldBeforeAnotherHasTheLock(t *testing.T) {
	path := lockPath(t)
	p := testproc.Start(t, "holding", path, "fail")
	first := number(t, p.Line())
	p.Say("lost?")
	h := acquire(t, lease.New(path, stopped))
	got := time.Now().UnixNano()
	line := p.Line()
	if lost := number(t, line); lost >= got || !strings.Contains(line, "ran out") || !strings.Contains(line, "input/output") {
		t.Errorf("at %d it is another's, %d ns later: %s", got, lost-got, line)
	}
	if h.Token() != uint64(first)+1 {
		t.Errorf("the tokens are %d and %d", first, h.Token())
	}
	p.Say("release")
	if line := p.Line(); !strings.Contains(line, "lost") {
		t.Errorf("release: %s", line)
	}
	must(t, h.Context().Err())
	must(t, h.Release())
}

// TestLaw13StoppedHolderIsToldWhenItWakes stops a process for longer than its
// lease.
func TestLaw13StoppedHolderIsToldWhenItWakes(t *testing.T) {
	path := lockPath(t)
	p := testproc.Start(t, "holding", path)
	first := number(t, p.Line())
	stop(t, p)
	must(t, p.Cmd.Process.Signal(syscall.SIGCONT)) // for less, which is nothing to it
	p.Say("held?")
	p.Expect("true")

	stop(t, p)
	p.Say("lost?")
	l := lease.New(path, stopped)
	h := acquire(t, l)
	var fence lease.Fence
	must(t, fence.Check(h.Token()))
	woken := time.Now()
	must(t, p.Cmd.Process.Signal(syscall.SIGCONT))
	line := p.Line()
	want(t, fence.Check(uint64(first)), filelock.ErrLost)
	if !strings.Contains(line, "lost") {
		t.Error(line)
	}
	t.Logf("told %v after it was woken", time.Duration(number(t, line)-woken.UnixNano()))
	p.Say("release")
	if line := p.Line(); !strings.Contains(line, "lost") {
		t.Errorf("release: %s", line)
	}
	must(t, l.Refresh(h.Context(), 0)) // nobody has touched ours
	must(t, h.Release())
	if left := files(t, path); len(left) != 1 {
		t.Errorf("%q are left", left)
	}
}

// stop returns when the process has stopped.
func stop(t *testing.T, p *testproc.Proc) {
	t.Helper()
	must(t, p.Cmd.Process.Signal(syscall.SIGSTOP))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		must(t, err)
		if strings.Contains(string(b), ") T ") {
			return
		}
	}
	t.Fatal("it does not stop")
}
