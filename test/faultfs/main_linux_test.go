package faultfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// roles are those that the tests start processes in; other files add theirs.
var roles = locktest.Roles(kinds...)

func TestMain(m *testing.M) {
	testproc.Main(roles)
	if os.Getenv(enclosed) == "" {
		enclose()
	}
	verify.Main(m)
}

// enclosed says that this process has mounts of its own, and names the program that
// serves them.
const enclosed = "FILELOCK_TEST_MOUNTS"

// enclose has the tests run in a process that has mounts of its own, and does not
// return then: they go with the last process that sees them, even if all of them
// are killed.
func enclose() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	dir, err := os.MkdirTemp("", "filelock-serve")
	server := filepath.Join(dir, "serve")
	if err == nil {
		err = testproc.Compile(server, "github.com/gofilelock/filelock/test/faultfs/serve")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	runtime.LockOSThread() // whose end is the child's
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), enclosed+"="+server)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	os.RemoveAll(dir)
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
