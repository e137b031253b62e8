//go:build nfs

package filesystems

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofilelock/filelock/internal/testproc"
)

var onClient = flag.Bool("client", false, "measure, as one of the clients that test/nfs/run has")

// nfs are the mounts to be measured, as test/nfs/init makes them.
var nfs = []place{{name: "4.2"}, {name: "4.0"}, {name: "3,nolock"}}

// onNFS are the usages that are measured there: those that make their file.
func onNFS() []usage {
	return slices.DeleteFunc(slices.Clone(usages), func(u usage) bool { return u.there })
}

const measuredPrefix = "MEASURED "

// TestGuaranteesSayWhatIsMeasuredOnNFS has a small machine emulated, with a
// server and two clients, where this same test measures, and compares with the
// page what that one prints.
func TestGuaranteesSayWhatIsMeasuredOnNFS(t *testing.T) {
	if *onClient {
		for line := range strings.Lines(measureOnNFS(t)) {
			fmt.Print(measuredPrefix, line)
		}
		return
	}
	self, err := os.Executable()
	must(t, err)
	out, err := exec.Command("../nfs/run", self, "-test.run=^"+t.Name()+"$", "-client").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var measured strings.Builder
	for line := range strings.Lines(string(out)) {
		if _, line, found := strings.Cut(line, measuredPrefix); found {
			measured.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	if !strings.Contains(string(out), "status 0") {
		t.Fatalf("the client failed:\n%s", out)
	}
	comparePage(t, "test/nfs", measured.String())
}

// measureOnNFS has a process of this client and one of the other want each lock.
func measureOnNFS(t *testing.T) string {
	tab := &table{cells: map[cell]string{}}
	for _, p := range nfs {
		here := newDirIn(t, filepath.Join("/nfs", p.name, "a"))
		there := filepath.Join("/nfs", p.name, "b", filepath.Base(here))
		for _, u := range onNFS() {
			tab.cells[cell{u.name, p.name}] = u.measureWith(t, here, func() *testproc.Proc {
				cmd := exec.Command("b", "/program", u.name, u.path(there))
				cmd.Env = append(os.Environ(), testproc.Environment("use")...)
				return testproc.StartCommand(t, cmd)
			})
		}
	}
	return tab.render(nfs, onNFS())
}
