package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// option names the kind to the command.
func (k kind) option() string {
	if k.Name == "lease" {
		return "--lease=1m"
	}
	return "--" + k.Name
}

// TestLaw06CommandSparesOtherContainers has status, gc and break meet the marker of
// another container, whose holder lives, and has then been killed with it: they
// say that it is held, and leave it unless they are forced. The file of a PID lock
// does not say where its number is from.
func TestLaw06CommandSparesOtherContainers(t *testing.T) {
	here := container.agent(t)
	for _, k := range those(marks) {
		path := folder(t)
		p := container.holds(t, k, path)
		marker := onlyLock(t, path)
		for _, alive := range []bool{true, false} {
			if !alive {
				p.Kill()
			}
			status, said := here.run("status", k.option(), path)
			if status != 1 || !strings.Contains(said, "locked by pid 1") || k.places && strings.Contains(said, "started") {
				t.Errorf("%s, alive: %v: status gives %d: %s", k.Name, alive, status, said)
			}
			if k.Name == "soft" && !strings.Contains(said, "cannot be judged from here") {
				t.Errorf("alive: %v: status does not say why: %s", alive, said)
			}
			if _, said = here.run("gc", "--remove", "--force", filepath.Dir(path)); strings.Contains(said, "removed") {
				t.Errorf("%s, alive: %v: gc says %s", k.Name, alive, said)
			}
			status, said = here.run("break", "--yes", k.option(), path)
			if status != 1 || k.places && !strings.Contains(said, "cannot be told") {
				t.Errorf("%s, alive: %v: break gives %d: %s", k.Name, alive, status, said)
			}
			if _, err := os.Lstat(marker); err != nil {
				t.Fatalf("%s, alive: %v: it is gone: %v", k.Name, alive, err)
			}
		}
		if status, said := here.run("break", "--yes", "--force", k.option(), path); status != 0 {
			t.Errorf("%s: break --force gives %d: %s", k.Name, status, said)
		}
		clean(t, k, path)
	}
}

// onlyLock returns the path of what stands for the lock.
func onlyLock(t *testing.T, path string) string {
	t.Helper()
	for _, p := range []string{path, path + ".lock"} {
		if _, err := os.Lstat(p); err == nil {
			return p
		}
	}
	t.Fatalf("nothing stands at %s", path)
	return ""
}

// TestCommandClearsTheDeadOfItsContainer is the other half.
func TestCommandClearsTheDeadOfItsContainer(t *testing.T) {
	w := container.agent(t)
	for _, k := range those(func(k kind) bool { return k.proves && k.places }) {
		path := folder(t)
		for _, clear := range [][]string{{"gc", "--remove", filepath.Dir(path)}, {"break", "--yes", k.option(), path}} {
			w.holds("holder", k, path)
			w.kill("holder")
			if status, said := w.run("status", k.option(), path); status != map[bool]int{true: 0, false: 1}[k.Name == "soft"] || !strings.Contains(said, "stale") {
				t.Errorf("%s: status gives %d: %s", k.Name, status, said)
			}
			if status, said := w.run(clear...); status != 0 {
				t.Errorf("%s: %s gives %d: %s", k.Name, clear[0], status, said)
			}
			clean(t, k, path)
		}
	}
}

// TestGCSparesSystemLocksOfOtherContainers: their holders do not show in /proc,
// but whoever removes an empty lock file locks it first.
func TestGCSparesSystemLocksOfOtherContainers(t *testing.T) {
	here := container.agent(t)
	for _, k := range those(system) {
		path := folder(t) + ".lock"
		container.holds(t, k, path)
		_, said := here.run("gc", "--remove", "--force", filepath.Dir(path))
		if _, err := os.Lstat(path); err != nil || here.tries(k, path) {
			t.Errorf("%s: %v; gc says %s", k.Name, err, said)
		}
	}
}
