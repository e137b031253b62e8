package testproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildForTests is Build in a directory of its own, which remove removes. A test
// binary that cannot have the command ends.
func BuildForTests() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "filelock-command")
	if err == nil {
		err = Build(dir)
	}
	if err != nil {
		os.RemoveAll(dir)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// Build makes the command in dir, under both of its names, for everybody to run.
func Build(dir string) error {
	if err := Compile(filepath.Join(dir, "filelock"), "github.com/gofilelock/filelock/cmd/filelock"); err != nil {
		return err
	}
	return errors.Join(os.Chmod(dir, 0o755), os.Symlink("filelock", filepath.Join(dir, "flock")))
}

// Compile makes a program of a package.
func Compile(program, pkg string) error {
	out, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
