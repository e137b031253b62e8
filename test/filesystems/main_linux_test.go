package filesystems

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// groundVariable names the directory where all is mounted: a file system in
// memory, in a mount namespace of the tests.
const groundVariable = "FILELOCK_TEST_GROUND"

// ground is that directory, and noGround why there is none.
var (
	ground   = os.Getenv(groundVariable)
	noGround error
)

// TestMain runs the tests in namespaces of their own. When the first process of
// the pid namespace ends so do all others, with them the mounts, and with these
// the loop devices beneath.
func TestMain(m *testing.M) {
	testproc.Main(roles)
	switch {
	case ground == "":
		var status int
		if status, noGround = runApart(); noGround == nil {
			os.Exit(status)
		}
	case os.Getpid() == 1:
		noGround = prepareGround()
	}
	verify.Main(m)
}

// runApart runs this program once more, as the first of its namespaces.
func runApart() (status int, err error) {
	dir, err := os.MkdirTemp("", "filesystems")
	if err != nil {
		return 0, err
	}
	defer os.Remove(dir)
	runtime.LockOSThread() // its end, not that of the process, is what kills the child
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), groundVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   unix.CLONE_NEWPID,
		Unshareflags: unix.CLONE_NEWNS, // whose mounts package syscall makes private
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

func prepareGround() error {
	return errors.Join(
		os.NewSyscallError("mount proc", unix.Mount("proc", "/proc", "proc", 0, "")),
		os.NewSyscallError("mount tmpfs", unix.Mount("tmpfs", ground, "tmpfs", 0, "")),
	)
}

// needGround skips the test where nothing can be mounted.
func needGround(t testing.TB) {
	t.Helper()
	if noGround != nil {
		t.Skip("file systems cannot be mounted, which needs root:", noGround)
	}
}

// newDir makes a directory on the ground.
func newDir(t testing.TB) string {
	t.Helper()
	needGround(t)
	return newDirIn(t, ground)
}

func newDirIn(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "")
	must(t, err)
	return dir
}

// run runs a program of the system, and skips the test if it is not there.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%v: install %s", err, packageOf[name])
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// packageOf has the Debian packages that programs are in.
var packageOf = map[string]string{
	"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs", "btrfs": "btrfs-progs",
	"mksquashfs": "squashfs-tools", "mount": "mount",
}

var must = verify.NoError

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o666))
}
