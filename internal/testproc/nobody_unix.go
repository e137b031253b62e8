//go:build unix

package testproc

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// StartAsNobody is Start as a user without rights. Only root can do that: the
// test of anybody else is skipped.
func StartAsNobody(t testing.TB, role string, args ...string) *Proc {
	t.Helper()
	return StartCommand(t, As(t, Nobody, InRole(Publish(t), role, args...)))
}

// InRole returns the command that is a test binary in a role.
func InRole(program, role string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), Environment(role)...)
	return cmd
}

// As has a command run as the user of that number, in the group of that number
// and others. Only root can do that: the test of anybody else is skipped.
func As(t testing.TB, uid uint32, cmd *exec.Cmd, groups ...uint32) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can start processes of another user")
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: groups}}
	return cmd
}

// Publish copies the test binary to where others can run it, and returns the
// path.
func Publish(t testing.TB) string {
	t.Helper()
	path, err := publish(t)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func publish(t testing.TB) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "filelock")
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "test")
	// A process that another test starts meanwhile would have the file open for
	// writing for an instant, and it could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return path, os.WriteFile(path, program, 0o755)
}
