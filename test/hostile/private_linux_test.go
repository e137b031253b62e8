package hostile

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
)

// TestLaw20UsersWaitForEachOthersPrivateMarkers: two users, of whom each may not read
// what the other writes, wait in turns until the marker of the other has gone.
func TestLaw20UsersWaitForEachOthersPrivateMarkers(t *testing.T) {
	const runs = 50 // of each of four
	for _, kind := range []string{"--soft", "--link", "--mkdir", "--symlink", "--pid", "--lease=30s"} {
		t.Run(strings.Trim(kind, "-"), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, meetings["sticky"])
			var all sync.WaitGroup
			for _, uid := range []uint32{victim, stranger, victim, stranger} {
				all.Go(func() {
					for range runs {
						cmd := exec.Command("sh", "-c", `umask 077; exec "$@"`, "sh",
							filepath.Join(bin, "filelock"), "run", "-q", kind, "-w", "60", filepath.Join(p.dir, "x"), "true")
						if out, err := testproc.As(t, uid, cmd, both).CombinedOutput(); err != nil {
							t.Errorf("%v\n%s", err, out)
						}
					}
				})
			}
			all.Wait()
		})
	}
}
