package testproc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build makes the command in dir, under both of its names, for everybody to run.
func Build(dir string) error {
	program := filepath.Join(dir, "filelock")
	out, err := exec.Command("go", "build", "-o", program, "github.com/gofilelock/filelock/cmd/filelock").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return errors.Join(os.Chmod(dir, 0o755), os.Symlink("filelock", filepath.Join(dir, "flock")))
}
