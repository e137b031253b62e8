//go:build nfs

package filesystems

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

var onClient = flag.Bool("client", false, "measure, as one of the clients that test/nfs/run has")

// nfs are the mounts to be measured, as test/nfs/init makes them.
var nfs = []place{{name: "4.2"}, {name: "4.0"}, {name: "3"}, {name: "3,nolock"}}

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
	var measured strings.Builder
	for line := range strings.Lines(runOnClient(t)) {
		if _, line, found := strings.Cut(line, measuredPrefix); found {
			measured.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	comparePage(t, "test/nfs", measured.String())
}

// runOnClient runs the same test as one of the clients, and returns what it prints.
func runOnClient(t *testing.T) string {
	self, err := os.Executable()
	must(t, err)
	out, err := exec.Command("../nfs/run", self, "-test.run=^"+t.Name()+"$", "-client").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "status 0") {
		t.Fatalf("the client failed:\n%s", out)
	}
	return string(out)
}

// measureOnNFS has a process of this client and one of the other want each lock.
func measureOnNFS(t *testing.T) string {
	tab := &table{cells: map[cell]string{}}
	for _, p := range nfs {
		here := newDirIn(t, filepath.Join("/nfs", p.name, "a"))
		there := filepath.Join("/nfs", p.name, "b", filepath.Base(here))
		for _, u := range onNFS() {
			tab.cells[cell{u.name, p.name}] = u.measureWith(t, here, func() *testproc.Proc {
				return startOnOther(t, "use", u.name, u.path(there))
			})
		}
	}
	return tab.render(nfs, onNFS())
}

// startOnOther starts a process of the other client.
func startOnOther(t *testing.T, role string, args ...string) *testproc.Proc {
	cmd := exec.Command("b", append([]string{"/program"}, args...)...)
	cmd.Env = append(os.Environ(), testproc.Environment(role)...)
	return testproc.StartCommand(t, cmd)
}

// betweenClients runs a test as one of the clients, on each mount: here is a directory
// as this client sees it, and there as the other one does.
func betweenClients(t *testing.T, mounts []place, test func(t *testing.T, here, there string)) {
	if !*onClient {
		t.Log(runOnClient(t))
		return
	}
	for _, p := range mounts {
		t.Run(p.name, func(t *testing.T) {
			here := newDirIn(t, filepath.Join("/nfs", p.name, "a"))
			test(t, here, filepath.Join("/nfs", p.name, "b", filepath.Base(here)))
		})
	}
}

// nfs4 are those mounts where flock excludes, and where each change is heard of: the
// third version tells of them by the directory's time, which not every one moves.
func nfs4() []place {
	return slices.DeleteFunc(slices.Clone(nfs), func(p place) bool { return p.name[0] == '3' })
}

// theKind is the one of that name.
func theKind(name string) locktest.Kind {
	i := slices.IndexFunc(moreKinds, func(k locktest.Kind) bool { return k.Name == name })
	return moreKinds[i]
}

// TestLaw07ReleaseOnNFSSparesTheSuccessor has the hold of this client be broken on
// the other one, which takes the lock then. This one still believes that the path
// leads to its own marker, for as long as it trusts what it has been told of names.
func TestLaw07ReleaseOnNFSSparesTheSuccessor(t *testing.T) {
	betweenClients(t, nfs, func(t *testing.T, here, there string) {
		for _, k := range kinds {
			if !k.CanBreak {
				continue
			}
			t.Run(k.Name, func(t *testing.T) {
				hold, err := k.New(filepath.Join(here, k.Name)).Acquire(t.Context())
				must(t, err)
				other := startOnOther(t, "hold "+k.Name, filepath.Join(there, k.Name))
				for _, command := range []string{"break", "try"} {
					other.Say(command)
					other.Expect("done")
				}
				select {
				case <-hold.Lost():
				case <-time.After(10 * time.Second):
					t.Error("it is not told")
				}
				if err := hold.Release(); !errors.Is(err, filelock.ErrLost) {
					t.Errorf("release of a hold that was broken: %v", err)
				}
				other.Say("release")
				other.Expect("done")
			})
		}
	})
}

// TestLaw01FileRemovedOnNFSIsNotTheLock has the other client wait for a lock whose
// file goes with it: what the wait is for is not what the path leads to then.
func TestLaw01FileRemovedOnNFSIsNotTheLock(t *testing.T) {
	k := theKind("remove")
	betweenClients(t, nfs4(), func(t *testing.T, here, there string) {
		lock := k.New(filepath.Join(here, "x.lock"))
		for range 5 {
			hold, err := lock.Acquire(t.Context())
			must(t, err)
			other := startOnOther(t, "hold "+k.Name, filepath.Join(there, "x.lock"))
			other.Say("try")
			if said := other.Line(); !strings.Contains(said, "locked") {
				t.Error(said)
			}
			other.Say("acquire")
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // at whatever it is by then
			must(t, hold.Release())
			other.Expect("done")
			if again, err := lock.TryAcquire(t.Context()); !errors.Is(err, filelock.ErrLocked) {
				t.Errorf("both have it: %v", err)
				if err == nil {
					must(t, again.Release())
				}
			}
			other.Say("release")
			other.Expect("done")
			must(t, other.Wait())
		}
	})
}

// TestLaw20LockIsSeenOnNFSAsItIs has each client look before, while and after the other
// one has the lock: what it saw last is not what it is told of a moment later.
func TestLaw20LockIsSeenOnNFSAsItIs(t *testing.T) {
	betweenClients(t, nfs4(), func(t *testing.T, here, there string) {
		for _, k := range kinds {
			if !k.CanBreak {
				continue // the system does not tell who holds an OS lock
			}
			t.Run(k.Name, func(t *testing.T) {
				lock := k.New(filepath.Join(here, k.Name))
				other := startOnOther(t, "hold "+k.Name, filepath.Join(there, k.Name))
				tell := func(command, want string) {
					t.Helper()
					if other.Say(command); !strings.Contains(other.Line(), want) {
						t.Errorf("%s does not say %q", command, want)
					}
				}
				for range 3 {
					tell("inspect", "held: false")
					hold, err := lock.Acquire(t.Context())
					must(t, err)
					tell("inspect", "held: true")
					tell("try", "locked")
					must(t, hold.Release())
					tell("try", "done")
					_, err = lock.TryAcquire(t.Context())
					if !errors.Is(err, filelock.ErrLocked) {
						t.Errorf("of a held lock: %v", err)
					}
					tell("release", "done")
					hold, err = lock.TryAcquire(t.Context())
					must(t, err)
					must(t, hold.Release())
				}
			})
		}
	})
}

func init() { roles["edit itself"] = editItself }

// editItself is a process that says when it waits for the lock of the file at its
// argument, and what it finds in it then.
func editItself(args []string) error {
	waits := filelock.OnWait(func(filelock.WaitInfo) { fmt.Println("waits") })
	f, err := lockedfile.Edit(context.Background(), args[0], lockedfile.Itself(), waits)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(f)
	fmt.Printf("%s\n", content)
	return errors.Join(err, f.Close())
}

// TestLaw01FileReplacedOnNFSIsNotTheLock has the other client wait for the lock of a
// file that whoever has it replaces.
func TestLaw01FileReplacedOnNFSIsNotTheLock(t *testing.T) {
	betweenClients(t, nfs4(), func(t *testing.T, here, there string) {
		path := filepath.Join(here, "data")
		write(t, path, "old")
		f, err := lockedfile.Edit(t.Context(), path, lockedfile.Itself())
		must(t, err)
		other := startOnOther(t, "edit itself", filepath.Join(there, "data"))
		other.Expect("waits")
		must(t, os.Rename(path, path+".old")) // which says what the name is of
		write(t, path, "new")
		must(t, f.Close())
		other.Expect("new")
		must(t, other.Wait())
	})
}

// TestLaw02CrowdOnNFSLosesNoCount has processes of both clients count under one lock.
// Some are killed where the lock outlasts what they have not written yet: an OS lock is
// gone before that.
func TestLaw02CrowdOnNFSLosesNoCount(t *testing.T) {
	const each, counts = 2, 40 // processes of a client
	kinds := append(kinds[:len(kinds):len(kinds)], moreKinds...)
	kills := max(1, locktest.Kills(t, 60)/(2*len(kinds)))
	betweenClients(t, nfs4(), func(t *testing.T, here, there string) {
		for _, k := range kinds {
			k.Outlives = k.Name == "pid" // which proves nothing of other machines
			t.Run(k.Name, func(t *testing.T) {
				scene := locktest.NewSceneIn(t, newDirIn(t, here))
				there := filepath.Join(there, filepath.Base(scene.Dir))
				crowd := locktest.GatherFrom(t, k, scene, 2*each, func(i int) *testproc.Proc {
					if i%2 == 0 {
						return k.Counting(t, scene, each, i)
					}
					other := startOnOther(t, "count "+k.Name, there, fmt.Sprint(each), fmt.Sprint(i))
					other.Expect("ready")
					return other
				})
				for i := 0; k.CanBreak && i < kills; i++ {
					crowd.KillOne()
				}
				for end := time.Now().Add(2 * time.Minute); scene.Value(t) < counts; time.Sleep(10 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d counts in two minutes", scene.Value(t))
					}
				}
				crowd.End()
			})
		}
	})
}

// TestTokensRiseOnNFS has both clients take the lock in turn.
func TestTokensRiseOnNFS(t *testing.T) {
	k := theKind("fenced lease")
	betweenClients(t, nfs4(), func(t *testing.T, here, there string) {
		lock := k.New(filepath.Join(here, "x.lock"))
		other := startOnOther(t, "hold "+k.Name, filepath.Join(there, "x.lock"))
		for n := uint64(1); n < 10; n += 2 {
			hold, err := lock.TryAcquire(t.Context())
			must(t, err)
			if hold.Token() != n {
				t.Errorf("token %d, want %d", hold.Token(), n)
			}
			must(t, hold.Release())
			other.Say("try")
			other.Expect("done")
			other.Say("token")
			other.Expect(fmt.Sprint(n + 1))
			other.Say("release")
			other.Expect("done")
		}
	})
}
