package procid_test

import (
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/testproc"
)

func init() {
	roles["headless"] = headless
}

// headless ends its first thread and lives on in others.
func headless([]string) error {
	go func() {
		time.Sleep(50 * time.Millisecond)
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
