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
	if os.Getuid() != 0 {
		t.Skip("only root can start processes of another user")
	}
	binary, err := os.Executable()
	if err == nil {
		binary, err = publish(t, binary)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), Environment(role)...)
	cmd.Dir = "/"
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return StartCommand(t, cmd)
}

// publish copies a program to where others can run it.
func publish(t testing.TB, path string) (string, error) {
	program, err := os.ReadFile(path)
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
	path = filepath.Join(dir, "test")
	return path, os.WriteFile(path, program, 0o755)
}
