package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/verify"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "probe" && os.Args[2] == "--"+Agent {
		if err := ServeAgent(os.Args[3]); err != nil {
			os.Exit(1)
		}
		return
	}
	verify.Main(m)
}

// empty makes sure that nothing is left in a directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func check(t *testing.T, r *Report, name string) Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check of %s", name)
	return Check{}
}

// TestBrokenLocksAreFound stages what file systems do not guarantee.
func TestBrokenLocksAreFound(t *testing.T) {
	before := func(broken fault.Op, err error) *fault.Plan {
		return &fault.Plan{Before: func(op fault.Op, _ string) error {
			if op == broken {
				return err
			}
			return nil
		}}
	}
	after := func(broken fault.Op, hidden error) *fault.Plan {
		return &fault.Plan{After: func(op fault.Op, _ string, err error) error {
			if op == broken && err == hidden {
				return nil
			}
			return err
		}}
	}
	for name, c := range map[string]struct {
		plan   *fault.Plan
		check  string
		works  Answer
		detail string
		use    string
	}{
		"no locks":        {before(fault.Lock, unix.ENOLCK), nameFlock, No, "there are none", "lease"},
		"no flock at all": {before(fault.Lock, unix.ENOSYS), nameFlock, No, "there are none", "lease"},
		"locks fail":      {before(fault.Lock, unix.EIO), nameFlock, Unknown, "input/output", "lease"},
		"no exclusion":    {after(fault.Lock, unix.EWOULDBLOCK), nameFlock, No, "both had it at once", "lease"},
		"records neither": {after(fault.Lock, unix.EWOULDBLOCK), nameOFD, No, "both had it at once", "lease"},
		"no links":        {before(fault.Link, unix.EPERM), nameLink, No, "no such thing", "filelock.New"},
		"no symlinks":     {before(fault.Symlink, unix.EPERM), "symbolic links", No, "no such thing", "filelock.New"},
		"no directories":  {before(fault.Mkdir, unix.EIO), nameMkdir, Unknown, "input/output", "filelock.New"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			defer fault.Install(c.plan)()
			r, err := Local(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			got := check(t, r, c.check)
			if got.Works != c.works || !strings.Contains(got.Detail, c.detail) || !strings.Contains(r.Use, c.use) {
				t.Errorf("%+v, use %s", got, r.Use)
			}
			empty(t, dir)
		})
	}
}

func TestNothingExcludes(t *testing.T) {
	if use := (&Report{}).advise(); use != "" {
		t.Error(use)
	}
}

// TestAgentStaysInItsDirectory whatever it is told.
func TestAgentStaysInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.Mkdir(inside, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "outside"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside", filepath.Join(inside, "leads-out")); err != nil {
		t.Fatal(err)
	}
	a := newAgent(inside)
	for _, line := range []string{
		"", "fly", "make", "make ../x", "make /tmp/x", "make .", "make ..", "make x y", "remove ../outside", "link ../outside x",
		"link x ../y", "move x", "symlink /etc x", "lock flock", "lock flock ../outside", "lock what x", "unlock x", "time now",
		"make " + strings.Repeat("x", 33), "make \x00", "make X", "touch leads-out", "lock flock leads-out", "lock ofd leads-out",
		"lock posix leads-out",
	} {
		if got := a.do(line); !strings.HasPrefix(got, "error") && got != "gone" {
			t.Errorf("%q: %q", line, got)
		}
	}
	a.end()
	if err := os.Remove(filepath.Join(inside, "leads-out")); err != nil {
		t.Error(err)
	}
	empty(t, inside)
	if info, err := os.Lstat(filepath.Join(dir, "outside")); err != nil || info.Size() > 0 {
		t.Errorf("%v, %v", info, err)
	}
	if err := a.serve(strings.NewReader(strings.Repeat("x", 1<<20)), os.Stderr); err == nil {
		t.Error("a line without end is accepted")
	}
}

// listen starts a listener, and returns what becomes of it.
func listen(t *testing.T, ctx context.Context, dir string) (*Listener, <-chan error) {
	t.Helper()
	l, err := Listen(ctx, dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.patience = 50 * time.Millisecond
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx) }()
	return l, served
}

func TestPeersTryOneDirectory(t *testing.T) {
	dir := t.TempDir()
	l, served := listen(t, t.Context(), dir)
	r, err := Remote(t.Context(), dir, l.Addr(), l.Token)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	for _, c := range r.Checks {
		if c.Works != Yes {
			t.Errorf("%+v", c)
		}
	}
	empty(t, dir)
}

func TestPeersOfDifferentDirectories(t *testing.T) {
	ours, theirs := t.TempDir(), t.TempDir()
	l, served := listen(t, t.Context(), theirs)
	if _, err := Remote(t.Context(), ours, l.Addr(), l.Token); err == nil || !strings.Contains(err.Error(), errOther.Error()) {
		t.Errorf("the peer: %v", err)
	}
	if err := <-served; err != errOther && !strings.Contains(err.Error(), errOther.Error()) {
		t.Errorf("the listener: %v", err)
	}
	empty(t, ours)
	empty(t, theirs)
}

// TestStrangersAreTurnedAway, and then the peer comes.
func TestStrangersAreTurnedAway(t *testing.T) {
	dir := t.TempDir()
	l, served := listen(t, t.Context(), dir)
	for _, says := range []string{
		"\n", "GET / HTTP/1.1\r\n", hello + "\n", hello + " a b c\n", strings.Repeat("x", 4096),
		hello + " " + strings.Repeat("0", 32) + " .filelock-probe-x y\n",
	} {
		conn, err := net.Dial("tcp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(says))
		conn.SetDeadline(time.Now().Add(time.Minute))
		reply := make([]byte, 100)
		if n, _ := conn.Read(reply); n > 0 && string(reply[:n]) != "error wrong token\n" {
			t.Errorf("%.40q: %q", says, reply[:n])
		}
		conn.Close()
	}
	if _, err := Remote(t.Context(), dir, l.Addr(), strings.Repeat("0", 32)); err == nil {
		t.Error("a wrong token is good")
	}
	if _, err := Remote(t.Context(), dir, l.Addr(), l.Token); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	empty(t, dir)
}

func TestTenStrangersEndTheListener(t *testing.T) {
	l, served := listen(t, t.Context(), t.TempDir())
	for range 10 {
		if _, err := Remote(t.Context(), t.TempDir(), l.Addr(), strings.Repeat("0", 32)); err == nil {
			t.Error("a wrong token is good")
		}
	}
	if err := <-served; err == nil || !strings.Contains(err.Error(), "token") {
		t.Error(err)
	}
}

// TestPeerCannotLeadTheListenerElsewhere by the name of its directory, or a link.
func TestPeerCannotLeadTheListenerElsewhere(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	nonce := random()
	if err := os.WriteFile(filepath.Join(elsewhere, nonceFile), []byte(nonce), 0o666); err != nil {
		t.Fatal(err)
	}
	link := prefix + random()
	if err := os.Symlink(elsewhere, filepath.Join(dir, link)); err != nil {
		t.Fatal(err)
	}
	l := &Listener{dir: dir, patience: time.Millisecond}
	for _, name := range []string{link, "../" + filepath.Base(elsewhere), elsewhere, ".", prefix + strings.Repeat("/", 32)} {
		if path, err := l.find(t.Context(), name, nonce); err == nil {
			t.Errorf("%s leads to %s", name, path)
		}
	}
}

// TestOtherProcessCannotBeReplacedAtTheEnd has the context end while there is none.
func TestOtherProcessCannotBeReplacedAtTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c, err := startChild(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.kill(); !errors.Is(err, context.Canceled) {
		t.Errorf("it is replaced: %v", err)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
}

// TestEndOfTheContext while the listener waits for a peer, and for the probe.
func TestEndOfTheContextLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, served := listen(t, ctx, dir)
	cancel()
	if err := <-served; err == nil {
		t.Error("it ends without an error")
	}
	if _, err := Local(ctx, dir); err == nil {
		t.Error("a probe without time")
	}
	for _, op := range []fault.Op{fault.Lock, fault.Link, fault.Mkdir} {
		ctx, cancel := context.WithCancel(t.Context())
		remove := fault.Install(&fault.Plan{Before: func(o fault.Op, _ string) error {
			if o == op {
				cancel()
			}
			return nil
		}})
		if _, err := Local(ctx, dir); err == nil {
			t.Errorf("%s: it goes on", op)
		}
		remove()
		cancel()
	}
	empty(t, dir)
}

// FuzzAgent: nothing that it is told makes a file elsewhere, or panics.
func FuzzAgent(f *testing.F) {
	f.Add("make x")
	f.Add("lock flock x")
	f.Add("link x ../y")
	f.Fuzz(func(t *testing.T, line string) {
		dir := t.TempDir()
		inside := filepath.Join(dir, "inside")
		if err := os.Mkdir(inside, 0o777); err != nil {
			t.Fatal(err)
		}
		a := newAgent(inside)
		reply := a.do(line)
		a.end()
		if strings.ContainsAny(reply, "\n\r") {
			t.Errorf("%q: %q", line, reply)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Errorf("%q: %v, %v", line, names, err)
		}
	})
}

func FuzzParseMount(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n")
	f.Add("36 35 98:0 / / rw - nfs4 host:/x rw,local_lock=none")
	f.Fuzz(func(t *testing.T, line string) {
		if system, on, _, ok := parseMount(line, 36); ok && (system == "" || on == "") {
			t.Errorf("%q: %q on %q", line, system, on)
		}
	})
}

// FuzzHello: a stranger, whatever he says, and how often, is let in nowhere and
// answered in lines.
func FuzzHello(f *testing.F) {
	f.Add("hello\n")
	f.Add(hello + " token " + prefix + strings.Repeat("0", 32) + " " + strings.Repeat("0", 32) + "\nmake x\n")
	f.Add(hello + " token ../.. " + strings.Repeat("0", 32) + "\n")
	f.Add(strings.Repeat("x", 1000))
	f.Fuzz(func(t *testing.T, said string) {
		dir := t.TempDir()
		l := &Listener{Token: "token", dir: dir}
		ours, theirs := net.Pipe()
		replies := make(chan string, 1)
		var peer sync.WaitGroup
		peer.Go(func() {
			b, _ := io.ReadAll(theirs)
			replies <- string(b)
		})
		peer.Go(func() { io.WriteString(theirs, said+"\n") })
		known, err := l.session(t.Context(), ours)
		ours.Close()
		peer.Wait()
		theirs.Close()
		reply := <-replies
		if err == nil || known && !strings.Contains(said, l.Token) {
			t.Errorf("%q: known %v, %v", said, known, err)
		}
		if reply != "" && (!strings.HasPrefix(reply, "error ") || strings.Count(reply, "\n") != 1) {
			t.Errorf("%q is answered %q", said, reply)
		}
		empty(t, dir)
	})
}
