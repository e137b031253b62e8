package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/internal/testproc"
	"golang.org/x/sys/unix"
)

// The directories in which the victim meets the stranger.
var meetings = map[string]os.FileMode{
	"sticky":     0o777 | os.ModeSticky, // as /tmp
	"open":       0o777,                 // nobody should lock there
	"of a group": 0o775 | os.ModeSetgid, // as /var/lock was
}

var users = map[string]uint32{"root": root, "a user": victim}

// settle has the stranger lay traps in p until the returned function is called,
// which says how many it has laid, and what it could read of the victim's.
func (p place) settle(t *testing.T, seed uint64) (n *testproc.Proc, leave func() (laid int, leaks []string)) {
	t.Helper()
	for name, minor := range map[string]uint32{"zero": 5, "full": 7} {
		path := filepath.Join(p.stash, name)
		must(t, unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, minor))))
		must(t, os.Chmod(path, 0o666))
		must(t, os.Chown(path, stranger, stranger))
	}
	info, err := os.Stat(p.dir)
	must(t, err)
	gentle := info.Mode()&os.ModeSticky == 0 // lockedfile follows links, and there nothing tells whose they are
	n = p.start(t, stranger, "neighbour", p.dir, p.stash, p.outside, fmt.Sprint(seed), fmt.Sprint(gentle))
	n.Expect("ready")
	return n, func() (laid int, leaks []string) {
		t.Helper()
		for _, line := range rest(t, n) {
			if _, err := fmt.Sscanf(line, "laid %d", &laid); err != nil {
				leaks = append(leaks, line)
			}
		}
		return laid, leaks
	}
}

// rest ends a process and returns the lines that it has printed.
func rest(t *testing.T, p *testproc.Proc) []string {
	t.Helper()
	err := p.Wait()
	text := p.Rest()
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

// meet has the victim in a role and the stranger meet for some time.
func (p place) meet(t *testing.T, uid uint32, role string, long time.Duration, args ...string) {
	t.Helper()
	s := seed(t)
	_, leave := p.settle(t, s)
	v := p.start(t, uid, role, append([]string{p.dir, fmt.Sprint(s)}, args...)...)
	v.Expect("ready")
	time.Sleep(long)
	said := rest(t, v)
	laid, leaks := leave()
	if leaks != nil {
		t.Error(leaks)
	}
	t.Logf("%d traps, %s", laid, said)
}

// TestLaw24LocksAmongTraps has all kinds of locks, and files under their locks,
// used where a stranger lays traps at all names that they have.
func TestLaw24LocksAmongTraps(t *testing.T) {
	for meeting, mode := range meetings {
		for user, uid := range users {
			t.Run(user+", "+meeting, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t, mode)
				p.furnish(t)
				before := p.snapshot(t)
				p.meet(t, uid, "visitor", locktest.Seconds(t, 2))
				p.unharmed(t, before)
			})
		}
	}
}

// TestLaw24WithAndWithoutProtection is the same with what the system does
// against links and files of others switched off, and on.
func TestLaw24WithAndWithoutProtection(t *testing.T) {
	for name, all := range map[string]bool{"none": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, meetings["sticky"])
			p.furnish(t)
			before := p.snapshot(t)
			protect(t, all)
			p.meet(t, victim, "visitor", locktest.Seconds(t, 1))
			p.unharmed(t, before)
		})
	}
}

// TestNaiveLockerIsCaught shows that the traps work, and that harm is seen.
func TestNaiveLockerIsCaught(t *testing.T) {
	p := newPlace(t, meetings["open"])
	p.furnish(t)
	before := p.snapshot(t)
	s := seed(t)
	n, leave := p.settle(t, s)
	v := p.start(t, victim, "naive", p.dir)
	v.Expect("ready")
	for end := time.Now().Add(within); len(differences(before, p.snapshot(t))) == 0; {
		if time.Now().After(end) {
			t.Fatal("a program that follows links has done no harm")
		}
	}
	defer time.AfterFunc(within, func() { n.Cmd.Process.Kill() }).Stop()
	leak := n.Line()
	if !strings.HasPrefix(leak, "leak ") {
		t.Errorf("the stranger says %q", leak)
	}
	rest(t, v)
	leave()
	t.Log(leak)
	t.Log(differences(before, p.snapshot(t)))
}
