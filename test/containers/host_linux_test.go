package containers

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/gofilelock/filelock"
)

func init() {
	// renamed has its first argument for the host's name while it holds the lock
	// that the others say.
	roles["renamed"] = func(args []string) error {
		k, path := kindNamed(args[1]), args[2]
		h, err := k.New(path).Acquire(bg)
		if err != nil {
			return err
		}
		if err := syscall.Sethostname([]byte(args[0])); err != nil {
			return err
		}
		l := k.New(path)
		_, errStranger := l.TryAcquire(bg)
		s, errInspect := l.Inspect(bg)
		fmt.Println(l.Depth(h.Context()), errors.Is(errStranger, filelock.ErrLocked), s.Held, s.Stale, s.Holders[0].PID == os.Getpid(), errInspect)
		fmt.Scanln()
		fmt.Println(h.Release())
		return nil
	}
}

// TestHostThatIsRenamedKeepsItsLocks changes the name of the host while a lock is
// held: the holder has it, and gives it back. To others of the new name it is
// another host's, of which nobody is dead; to those of the old one it is not.
func TestHostThatIsRenamedKeepsItsLocks(t *testing.T) {
	const name = "renamed.example"
	here, there := box{}.agent(t), beside.with("host="+name).agent(t)
	for _, k := range those(shared) {
		for _, killed := range []bool{false, true} {
			path := folder(t)
			p := beside.start(t, "renamed", name, k.Name, path)
			p.Expect("1 true true false true <nil>")
			here.refused(k, path)
			there.refused(k, path)
			if !killed {
				p.Say("")
				p.Expect("<nil>")
				must(t, p.Wait())
				free(t, k, path)
				clean(t, k, path)
				continue
			}
			p.Kill()
			if k.system {
				free(t, k, path)
				continue
			}
			there.refused(k, path)
			if s := here.look(k, path); s.stale != k.proves {
				t.Errorf("%s: under its old name it is seen as %+v", k.Name, s)
			}
			breakUp(t, k, path)
			free(t, k, path)
			clean(t, k, path)
		}
	}
}
