package hostile

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
)

// protections are the settings of Linux against such neighbours, and the highest
// value of each, as proc_sys_fs(5) has them.
var protections = map[string]string{
	"/proc/sys/fs/protected_symlinks":  "1",
	"/proc/sys/fs/protected_hardlinks": "1",
	"/proc/sys/fs/protected_regular":   "2",
	"/proc/sys/fs/protected_fifos":     "2",
}

// protect has the system protect from all, or from nothing, until the test ends.
// Tests that want that take turns. A process of its own puts back what was there,
// even if this one is killed.
func protect(t *testing.T, all bool) {
	t.Helper()
	turn, err := filelock.New("/proc/sys/fs/protected_hardlinks", filelock.WithTimeout(4*time.Minute)).Acquire(t.Context())
	if err != nil {
		t.Skipf("the settings of the system cannot be locked: %v", err)
	}
	t.Cleanup(func() { turn.Release() })
	var former []string
	for path := range protections {
		value, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, value, 0)
		}
		if err != nil {
			t.Skipf("the settings of the system cannot be changed (a container?): %v", err)
		}
		former = append(former, path, strings.TrimSpace(string(value)))
	}
	keeper := testproc.Start(t, "restore", former...)
	keeper.Expect("ready")
	t.Cleanup(func() {
		if err := keeper.Wait(); err != nil {
			t.Error(err)
		}
	})
	for path, value := range protections {
		if !all {
			value = "0"
		}
		must(t, os.WriteFile(path, []byte(value), 0))
	}
}

// restore writes values to files when its input ends. Its arguments are both, in
// turn.
func restore(args []string) error {
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	for i := 0; i < len(args); i += 2 {
		if err := os.WriteFile(args[i], []byte(args[i+1]), 0); err != nil {
			return err
		}
	}
	return nil
}
