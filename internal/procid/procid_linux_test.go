package procid_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["headless"] = headless
	roles["starved"] = starved
	roles["judge"] = judge
	roles["stranger"] = stranger
	roles["reused"] = reused
	roles["numbers"] = numbers
	roles["coincide"] = coincide
}

// starved tells who it is, first without descriptors and then with.
func starved([]string) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}); err != nil {
		return err
	}
	poor := procid.Self()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	fmt.Println(poor.PID, poor.Space, poor.Start)
	rich := procid.Self()
	fmt.Println(rich.PID, rich.Space, rich.Start)
	return nil
}

// judge tells what it makes of the process in its arguments.
func judge(args []string) error {
	id := parse(strings.Join(args, " "))
	fmt.Println(id.Here(), id.Dead())
	return nil
}

// stranger is a judge who may not look into the processes of root.
func stranger(args []string) error {
	const nobody = 65534
	err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody))
	if err != nil {
		return err
	}
	return judge(args)
}

// reused judges a record that has its own number and another start.
func reused([]string) error {
	id := procid.Self()
	fmt.Println(procid.ID{PID: id.PID, Start: earlier(id.Start), Space: procid.Unstated}.Dead())
	return nil
}

// numbers tells its number here, the one in /proc, and its space.
func numbers([]string) error {
	outer, err := os.Readlink("/proc/self")
	fmt.Println(os.Getpid(), outer, procid.Self().Space)
	return err
}

// coincide runs numbers in a pid namespace that /proc is not of, until the two
// agree.
func coincide([]string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for range 1000 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), testproc.Environment("numbers")...)
		line, err := cmd.Output()
		if err != nil {
			return err
		}
		var inner, outer, last int
		if fmt.Sscan(string(line), &inner, &outer); inner == outer {
			os.Stdout.Write(line)
			return nil
		}
		const next = "/proc/sys/kernel/ns_last_pid"
		text, err := os.ReadFile(next)
		if err != nil {
			return err
		}
		fmt.Sscan(string(text), &last)
		if err := os.WriteFile(next, fmt.Append(nil, last+outer-inner), 0); err != nil {
			return err
		}
	}
	return errors.New("the two never agree")
}

// unshared starts a role in namespaces of its own, by unshare(1).
func unshared(t *testing.T, flags, role string, args ...string) *testproc.Proc {
	t.Helper()
	all := append(strings.Fields(flags), "--fork", "--kill-child")
	if os.Geteuid() != 0 {
		all = append(all, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(all, "true")...).CombinedOutput(); err != nil {
		t.Skipf("unshare %s: %v, %s", flags, err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", append(append(all, self), args...)...)
	cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	return testproc.StartCommand(t, cmd)
}

// words makes the arguments of judge.
func words(id procid.ID) []string {
	return strings.Fields(fmt.Sprintln(id.PID, id.Space, id.Start))
}

// headless ends its first thread and lives on in others.
func headless([]string) error {
	go func() {
		for {
			stat, err := os.ReadFile("/proc/self/stat")
			if err == nil && strings.Contains(string(stat), ") Z ") {
				break
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println("ready")
		select {}
	}()
	unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // of a thread, the first one: see init
	return nil
}

func init() { runtime.LockOSThread() }

// TestTokenIsPyFilelocks compares with the protocol: boot id, then clock ticks.
func TestTokenIsPyFilelocks(t *testing.T) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	ticks := strings.Fields(after)[19]
	want, _ := new(big.Int).SetString(strings.ReplaceAll(strings.TrimSpace(string(boot)), "-", ""), 16)
	n, _ := new(big.Int).SetString(ticks, 10)
	want.Mul(want, new(big.Int).Lsh(big.NewInt(1), 64)).Add(want, n)
	if got := procid.Self().Start; got != want.String() {
		t.Errorf("the token is %s, want %s", got, want)
	}
}

func ticksOf(start string) string {
	n, _ := new(big.Int).SetString(start, 10)
	mask := new(big.Int).SetUint64(^uint64(0))
	return n.And(n, mask).String()
}

// TestTicksAloneAreCompared has the token of older versions of py-filelock.
func TestTicksAloneAreCompared(t *testing.T) {
	_, id := idle(t)
	id.Space, id.Start = procid.Unstated, ticksOf(id.Start)
	if id.Dead() {
		t.Errorf("a living process is called dead because its token %s has no boot", id.Start)
	}
	id.Start = earlier(id.Start)
	if !id.Dead() {
		t.Errorf("%+v is not called dead, though another has its number", id)
	}
}

// TestOtherClockIsNeverDead has live processes of another time namespace, which
// write another start than is read of them here.
func TestOtherClockIsNeverDead(t *testing.T) {
	for _, offset := range []string{"-1", "100000"} {
		id := parse(unshared(t, "--time --boottime "+offset, "idle").Line())
		if id.Here() || id.Dead() {
			t.Errorf("%+v, by a clock of its own, is called dead", id)
		}
		if id.Space = procid.Unstated; id.Dead() {
			t.Errorf("%+v, by a clock of its own, is called dead", id)
		}
	}
}

func TestReaderWithAnotherClockCallsNobodyDead(t *testing.T) {
	const clock = "--time --boottime 100000"
	_, id := idle(t)
	unshared(t, clock, "judge", words(id)...).Expect("false false")
	id.Space = procid.Unstated
	unshared(t, clock, "judge", words(id)...).Expect("true false")
	unshared(t, clock, "reused").Expect("true")
}

// TestUnknownClockIsNeverDead has a record whose number belongs to another user.
func TestUnknownClockIsNeverDead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	_, id := idle(t)
	id.Start = earlier(id.Start)
	testproc.Start(t, "stranger", words(id)...).Expect("true true")
	id.Space = procid.Unstated
	testproc.Start(t, "stranger", words(id)...).Expect("true false")
}

// TestForeignProcProvesNothing has a /proc of an outer pid namespace.
func TestForeignProcProvesNothing(t *testing.T) {
	gone := procid.ID{PID: math.MaxInt32, Space: procid.Unstated}
	unshared(t, "--pid", "judge", words(gone)...).Expect("false false")
	unshared(t, "--pid --mount-proc", "judge", words(gone)...).Expect("true true")
}

func TestForeignProcIsNotOursByChance(t *testing.T) {
	var inner, outer int
	var space uint64
	fmt.Sscan(unshared(t, "--pid", "coincide").Line(), &inner, &outer, &space)
	if inner != outer || space != 0 {
		t.Errorf("process %d, in /proc by chance %d, has the space %d", inner, outer, space)
	}
}

func TestSelfIsKnownOnceItCanBe(t *testing.T) {
	p := testproc.Start(t, "starved")
	if poor := parse(p.Line()); poor.Space != 0 || poor.Start != "" {
		t.Errorf("without descriptors, this process is %+v", poor)
	}
	if rich := parse(p.Line()); rich.Space != procid.Self().Space || rich.Start == "" {
		t.Errorf("once it has descriptors, this process is %+v", rich)
	}
}

func TestOtherBootIsNeverDead(t *testing.T) {
	p, id := idle(t)
	p.Kill()
	start, _ := new(big.Int).SetString(id.Start, 10)
	start.Add(start, new(big.Int).Lsh(big.NewInt(1), 64))
	id.Start, id.Space = start.String(), procid.Unstated
	if id.Dead() || id.Here() {
		t.Errorf("%+v, of another boot, is called dead", id)
	}
}

func TestZombieIsDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	id := procid.ID{PID: cmd.Process.Pid, Space: procid.Self().Space}
	waitForState(t, id.PID, 'Z')
	if !id.Dead() {
		t.Error("a process that has ended, and that nobody has waited for, is not called dead")
	}
}

// TestHeadlessProcessLives has a process whose first thread is a zombie.
func TestHeadlessProcessLives(t *testing.T) {
	p := testproc.Start(t, "headless")
	id := procid.ID{PID: p.PID(), Space: procid.Self().Space}
	p.Expect("ready")
	waitForState(t, id.PID, 'Z')
	if id.Dead() {
		t.Error("a process that has lost its first thread only is called dead")
	}
}

func waitForState(t *testing.T, pid int, want byte) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(stat), ") "); after[0] == want {
			return
		}
	}
	t.Fatalf("process %d does not get into state %c", pid, want)
}
