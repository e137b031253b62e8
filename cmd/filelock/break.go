package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/record"
	"github.com/gofilelock/filelock/lease"
)

// breakSettings are what the options of the verb break say.
type breakSettings struct {
	yes, force bool
	kind       kind
}

func (s *breakSettings) command() *getopt.Command {
	return &getopt.Command{
		Name:     "filelock break",
		Synopsis: []string{"[OPTION...] FILE"},
		About: `
Ends somebody else's hold of a lock that stays behind with a file: a soft lock,
a lease, a marker. It shows who has the lock, asks, and ends that hold and no
later one. Unless it is certain that the holder is dead, or its lease is over, it
wants --force: a holder who lives would go on, and not be alone.

A lock of the operating system cannot be broken. It ends with its process.

The exit status is 0 if the lock was free or the hold has been ended, and 1 if
it has been left.`,
		Options: append([]getopt.Option{
			{Short: "y", Long: []string{"yes"}, Set: getopt.True(&s.yes), Help: "do not ask; needed if there is no terminal to ask on"},
			{Long: []string{"force"}, Set: getopt.True(&s.force), Help: "end the hold even if its holder may be alive"},
			help,
		}, s.kind.options()...),
	}
}

// breakLock is the verb break.
func breakLock(args []string, stdout, stderr *os.File) int {
	var set breakSettings
	paths, status, ok := parse(set.command(), args, 1, stdout, stderr)
	if !ok {
		return status
	}
	if len(paths) > 1 {
		return fail(stderr, fmt.Errorf("%w: one hold is broken at a time", fs.ErrInvalid))
	}
	b := breaker{breakSettings: set, path: paths[0], lock: set.kind.open(paths[0])}
	end, err := b.run(stdout, stderr)
	switch {
	case err != nil && errors.Is(err, errLeft):
		fmt.Fprintf(stderr, "filelock: %s: %v\n", printable(b.path), err)
		return exitConflict
	case err != nil:
		return fail(stderr, err)
	}
	if _, err := fmt.Fprintf(stdout, "%s: %s\n", printable(b.path), end); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// errLeft says that there is a hold, which has been left alone.
var errLeft = errors.New("it is left as it is")

func left(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errLeft, fmt.Sprintf(format, args...))
}

// A breaker breaks the lock at path.
type breaker struct {
	breakSettings
	path string
	lock locker
}

// run returns what has become of the lock.
func (b *breaker) run(stdout, stderr *os.File) (end string, err error) {
	ctx := context.Background()
	shown, err := b.lock.Inspect(ctx)
	switch {
	case err != nil:
		return "", err
	case !shown.Held && b.kind.ofSystem() && b.marksSoft():
		return "", fmt.Errorf("%w: no lock of the system is held on %s, but it is the marker of a soft lock (--soft)", fs.ErrInvalid, printable(b.path))
	case !shown.Held:
		return "free", nil
	}
	if err := show(stdout, printable(b.path), shown); err != nil {
		return "", err
	}
	if b.kind.ofSystem() {
		return "", endsWithProcess(shown)
	}
	if err := b.permitted(shown); err != nil {
		return "", err
	}
	if !b.yes {
		if err := ask(stderr, fmt.Sprintf("Break %s? [y/N] ", printable(b.path))); err != nil {
			return "", err
		}
		// A lease may have been renewed since. What is broken is the hold that
		// was shown all the same.
		now, err := b.lock.Inspect(ctx)
		if err != nil {
			return "", err
		}
		if now.Held {
			if err := b.permitted(now); err != nil {
				return "", err
			}
		}
	}
	err = b.lock.Break(ctx, shown)
	if errors.Is(err, filelock.ErrLost) {
		return "", left("that hold has ended meanwhile, and whoever has the lock now keeps it")
	}
	return "broken", err
}

// marksSoft reports whether the file is a soft lock's marker: whoever leaves out
// --soft is not to take the lock for free.
func (b *breaker) marksSoft() bool {
	e, err := mark.Look(b.path, record.MaxMarker)
	if err == nil {
		_, err = record.ParseMarker(e.Content)
	}
	return err == nil
}

// permitted fails with [errLeft] if the hold is left alone.
func (b *breaker) permitted(s filelock.State) error {
	switch {
	case b.force, s.Stale, over(s):
		return nil
	case lives(s):
		return left("its holder is alive; --force would end the hold all the same")
	case !s.Expires.IsZero() && s.Holders[0].PID != 0:
		return left("the lease is not over before %s; --force would end it now", s.Expires.Add(lease.DefaultSlop).Format(time.DateTime))
	}
	return left("nothing proves that its holder is dead; if you know that it is, give --force")
}

// over reports whether s is of a lease that others may break. What does not say
// whose it is may be no lease.
func over(s filelock.State) bool {
	return !s.Expires.IsZero() && len(s.Holders) > 0 && s.Holders[0].PID != 0 && time.Since(s.Expires) > lease.DefaultSlop
}

// ofSystem reports whether the lock is one of the operating system.
func (k *kind) ofSystem() bool { return k.name == "" || k.name == "record" }

// endsWithProcess says what can be done about a lock of the operating system.
func endsWithProcess(s filelock.State) error {
	var pids []string
	for _, h := range s.Holders {
		if h.PID != 0 {
			pids = append(pids, fmt.Sprint(h.PID))
		}
	}
	what := "end it where it runs, in another container or on another machine"
	if pids != nil {
		what = "end it: kill " + strings.Join(pids, " ")
	}
	return left(`this lock belongs to a file that its process has open.
It ends with the process, however that ends, and nobody else can give it back.
To remove the file would have two processes hold the lock of that name.
If the process is not to go on, %s`, what)
}

// show prints who has the lock, and what is known of them.
func show(stdout io.Writer, path string, s filelock.State) error {
	var text strings.Builder
	mode := "locked"
	if s.Shared {
		mode = "locked shared"
	}
	for _, h := range s.Holders {
		fmt.Fprintf(&text, "%s: %s by %s\n", path, mode, h)
	}
	switch {
	case s.Stale:
		fmt.Fprintf(&text, "%s: its holder is dead\n", path)
	case lives(s):
		fmt.Fprintf(&text, "%s: its holder is alive\n", path)
	default:
		fmt.Fprintf(&text, "%s: whether its holder is alive cannot be told\n", path)
	}
	switch remains := time.Until(s.Expires).Round(time.Second); {
	case s.Expires.IsZero() || s.Holders[0].PID == 0:
	case remains > 0:
		fmt.Fprintf(&text, "%s: its lease ends in %s, unless it is renewed\n", path, remains)
	default:
		fmt.Fprintf(&text, "%s: its lease has been over for %s\n", path, -remains)
	}
	_, err := io.WriteString(stdout, text.String())
	return err
}

// lives reports whether a process on this machine that has the lock, or one of
// its number, was found.
func lives(s filelock.State) bool {
	for _, h := range s.Holders {
		if h.PID != 0 && (h.Command != "" || !h.Started.IsZero()) {
			return true
		}
	}
	return false
}

// ask returns nil if the one who sits at the terminal says yes. It fails with
// [fs.ErrInvalid] if nobody does.
func ask(stderr io.Writer, question string) error {
	nobody := fmt.Errorf("%w: there is nobody to ask (--yes does without)", fs.ErrInvalid)
	info, err := os.Stdin.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return nobody
	}
	if _, err := io.WriteString(stderr, question); err != nil {
		return err
	}
	const longest = 80
	answer, err := bufio.NewReader(io.LimitReader(os.Stdin, longest)).ReadString('\n')
	switch answer = strings.TrimSpace(answer); {
	case strings.EqualFold(answer, "y"), strings.EqualFold(answer, "yes"):
		return nil
	case err != nil && answer == "": // /dev/null, too
		return nobody
	}
	return left("as you say")
}
