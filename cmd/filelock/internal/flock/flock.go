//go:build unix && !aix

package flock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
	"golang.org/x/sys/unix"
)

const name = "flock"

// Exit statuses, beside those of the command; most are of sysexits.h.
const (
	exitConflict    = 1
	exitFailure     = 1 // of standard output, or of waiting for the command
	exitUsage       = 64
	exitData        = 65
	exitNoInput     = 66
	exitUnavailable = 69
	exitSystem      = 71
	exitCantCreate  = 73
	exitSignalled   = 128 // and the signal's number
)

// Main runs flock with args, which do not begin with its name, and returns its
// exit status. The process ends with it: descriptors stay open, for the lock.
func Main(args []string, stdout, stderr *os.File) int {
	runtime.LockOSThread() // so the command's parent is one thread (PR_SET_PDEATHSIG), and so is who waits
	p := &program{out: bufio.NewWriter(stdout), atOnce: isDevice(stdout)}
	status, err := p.run(args)
	if err != nil {
		status = report(stderr, err)
	}
	if err := p.out.Flush(); err != nil {
		fmt.Fprintf(stderr, "%s: write error: %s\n", name, describe(err))
		return exitFailure
	}
	return status
}

// report says what went wrong, if there is anything to say, and returns the exit
// status.
func report(stderr io.Writer, err error) int {
	var f *failure
	if errors.As(err, &f) {
		if f.message != "" {
			fmt.Fprintf(stderr, "%s: %s\n", name, f.message)
		}
		return f.status
	}
	if err != errUnsaid {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	fmt.Fprintf(stderr, "Try '%s --help' for more information.\n", name)
	return exitUsage
}

type program struct {
	settings
	out    *bufio.Writer
	atOnce bool // messages do not wait for the end, as on a terminal
}

func (p *program) run(args []string) (status int, err error) {
	if len(args) == 0 {
		return 0, errors.New("not enough arguments")
	}
	command := p.command()
	args, err = command.Parse(args)
	switch {
	case err == getopt.ErrHelp:
		fmt.Fprint(p.out, command.Usage())
		return 0, nil
	case err == errVersion:
		fmt.Fprintf(p.out, "%s from filelock %s\n", name, version())
		return 0, nil
	case err != nil:
		return 0, err
	}
	p.obeySignals()
	switch {
	case p.noFork && p.close:
		return 0, fail(exitUsage, "the --no-fork and --close options are incompatible")
	case len(args) == 0:
		return 0, fail(exitUsage, "requires file descriptor, file or directory")
	case len(args) == 1:
		return 0, p.lockDescriptor(args[0])
	}
	argv, err := commandOf(args[1:])
	if err != nil {
		return 0, err
	}
	if err := p.lockFile(args[0]); err != nil {
		return 0, err
	}
	p.say("executing %s", argv[0])
	if p.noFork {
		return 0, p.become(argv)
	}
	return start(argv)
}

// commandOf returns the command that args ask for.
func commandOf(args []string) ([]string, error) {
	if args[0] != "-c" && args[0] != "--command" {
		return args, nil
	}
	if len(args) != 2 {
		return nil, fail(exitUsage, "%s requires exactly one command argument", args[0])
	}
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return []string{shell, "-c", args[1]}, nil
}

// say prints a message of --verbose.
func (p *program) say(format string, args ...any) {
	if !p.verbose {
		return
	}
	fmt.Fprintf(p.out, name+": "+format+"\n", args...)
	if p.atOnce {
		p.out.Flush() // an error stays, for the end
	}
}

// lockDescriptor locks a file that the caller has open.
func (p *program) lockDescriptor(text string) error {
	fd, err := number("bad file descriptor", text)
	if err != nil {
		return err
	}
	return p.lock(&file{fd: fd})
}

// lockFile opens and locks the file at path.
func (p *program) lockFile(path string) error {
	f := &file{path: path, inherited: !p.close}
	flags := unix.O_RDONLY
	if p.records && p.how == unix.LOCK_EX {
		flags = unix.O_WRONLY // which such a lock needs
	}
	if err := f.open(flags); err != nil {
		return err
	}
	return p.lock(f)
}

func (p *program) lock(f *file) error {
	deadline, err := p.deadline()
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		err := p.acquire(f.fd, deadline)
		switch {
		case err == nil:
			took := time.Since(began)
			p.say("getting lock took %d.%06d seconds", took/time.Second, took%time.Second/time.Microsecond)
			return nil
		case errors.Is(err, unix.EWOULDBLOCK), p.records && errors.Is(err, unix.EACCES):
			return p.conflict(f, "failed to get lock")
		case errors.Is(err, unix.EINTR):
			return p.conflict(f, "timeout while waiting to get lock")
		case (errors.Is(err, unix.EIO) || errors.Is(err, unix.EBADF)) && p.how != unix.LOCK_SH && f.mayWrite():
			// NFS locks exclusively only what is open for writing.
			if err := f.reopen(); err != nil {
				return err
			}
			if f.writable() {
				continue
			}
			err = unix.EISDIR // so it was not opened for writing
		}
		status := exitData
		if errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.ENOMEM) {
			status = exitSystem
		}
		return fail(status, "%s: %s", f, describe(err))
	}
}

// conflict returns what the program ends with where somebody else has the lock.
func (p *program) conflict(f *file, message string) error {
	if !p.verbose {
		return &failure{status: p.status}
	}
	return fail(p.status, "%s%s", message, p.holder(f))
}

// holder names who has the lock, in a line to follow another, if that can be
// known.
func (p *program) holder(f *file) string {
	var opts []filelock.FileOption
	if p.records {
		opts = append(opts, filelock.WithRecordLocks())
	}
	s, err := filelock.NewFile(os.NewFile(uintptr(f.fd), f.String()), opts...).Inspect(context.Background())
	if err != nil || len(s.Holders) == 0 {
		return ""
	}
	return fmt.Sprintf("\n%s: %s: locked by %s", name, f, s.Holders[0])
}

// isDevice reports whether f may be a terminal, and is no file or pipe.
func isDevice(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// version returns the version that the program was built of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
