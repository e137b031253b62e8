package strace

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/internal/verify"
)

// roles are those that the tests start processes in; other files add theirs.
var roles = map[string]testproc.Role{}

func TestMain(m *testing.M) {
	testproc.Main(roles)
	useMemory()
	verify.Main(m, goleak.Cleanup(func(status int) {
		if bin != "" {
			os.RemoveAll(bin)
		}
		os.Exit(status)
	}))
}

// useMemory has files be in memory, where they can: none of this is about disks,
// which take their time to flush.
func useMemory() {
	const memory = "/dev/shm"
	if dir, err := os.MkdirTemp(memory, ""); err == nil {
		os.Remove(dir)
		os.Setenv("TMPDIR", memory)
	}
}

func trim(s string) string { return strings.TrimSpace(s) }
