package filesystems

import (
	"os"
	"os/exec"
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// onBed is the variable with the name of the bed that has the temporary files of
// this process.
const onBed = "FILELOCK_TEST_BED"

// TestContract has every kind of lock keep its contract on every file system. For
// each there is a process of its own, since some of it is about all locks of a
// process.
func TestContract(t *testing.T) {
	t.Parallel()
	needGround(t)
	for i, b := range beds {
		if b.name != os.Getenv(onBed) {
			continue
		}
		for j, k := range b.kinds() {
			if locktest.Thorough() || (i+j)%3 == 0 { // otherwise each kind in two places, or three
				t.Run(k.Name, func(t *testing.T) { locktest.Run(t, k) })
			}
		}
		return
	}
	everywhere(t, func(t *testing.T, b bed, dir string) {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestContract$")
		cmd.Env = append(os.Environ(), onBed+"="+b.name, "TMPDIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
