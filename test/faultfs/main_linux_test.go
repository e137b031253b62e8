package faultfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// roles are those that the tests start processes in; other files add theirs.
var roles = locktest.Roles(kinds...)

func init() { roles["serve"] = serve }

func TestMain(m *testing.M) {
	testproc.Main(roles)
	if os.Getenv(enclosed) == "" {
		enclose()
	}
	verify.Main(m)
}

// enclosed says that this process has mounts of its own.
const enclosed = "FILELOCK_TEST_MOUNTS"

// enclose has the tests run in a process that has mounts of its own, and does not
// return then: they go with the last process that sees them, even if all of them
// are killed.
func enclose() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	runtime.LockOSThread() // whose end is the child's
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), enclosed+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	if cmd.Process == nil {
		return // not permitted
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
	}
	code := cmd.ProcessState.ExitCode()
	if code < 0 {
		code = 2 // killed
	}
	os.Exit(code)
}

// serve is the process that a file system is in. It has one of its own, since
// the tests count what they have open. Its arguments are those of [Serve].
func serve(args []string) error {
	ttl, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	return Serve(args[0], args[1], ttl, Way(args[3]), os.Stdin, os.Stdout)
}
