package testproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the command filelock in a directory of its own, which all can
// enter and the caller removes.
func Build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "filelock-bin"); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "filelock")
	out, err := exec.Command("go", "build", "-o", program, "github.com/gofilelock/filelock/cmd/filelock").CombinedOutput()
	if err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, os.Chmod(dir, 0o755)
}
