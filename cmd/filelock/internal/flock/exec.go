//go:build unix && !aix

package flock

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// start runs the command to its end and returns its exit status. The lock stays
// with the command if this process is killed meanwhile.
func start(argv []string) (status int, err error) {
	var pid int
	err = search(argv, func(path string, argv []string) (err error) {
		pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
		return err
	})
	if errors.Is(err, unix.EAGAIN) {
		return 0, fail(exitSystem, "fork failed: %s", describe(err))
	}
	if err != nil {
		return 0, cannotRun(argv, err)
	}
	var ended unix.WaitStatus
	if err := uninterrupted(func() error { _, err := unix.Wait4(pid, &ended, 0, nil); return err }); err != nil {
		return 0, fail(exitFailure, "waitpid failed: %s", describe(err))
	}
	if ended.Signaled() {
		return exitSignalled + int(ended.Signal()), nil
	}
	return ended.ExitStatus(), nil
}

// become replaces this program by the command. It returns if it fails.
func (p *program) become(argv []string) error {
	if err := p.out.Flush(); err != nil {
		return nil // Main says it
	}
	return cannotRun(argv, search(argv, func(path string, argv []string) error {
		return syscall.Exec(path, argv, os.Environ())
	}))
}

func cannotRun(argv []string, err error) error {
	status := exitUnavailable
	if errors.Is(err, unix.ENOMEM) {
		status = exitSystem
	}
	return fail(status, "failed to execute %s: %s", argv[0], describe(err))
}

// search has do run a command, which it looks for as execvp(3) does. Unlike
// [os/exec.LookPath] that takes what it finds, the current directory too, tells
// a file that may not be run from none, and gives the shell what is no program.
func search(argv []string, do func(path string, argv []string) error) error {
	if strings.Contains(argv[0], "/") {
		return orByShell(argv[0], argv, do)
	}
	dirs, ok := os.LookupEnv("PATH")
	if !ok {
		dirs = "/bin:/usr/bin"
	}
	if argv[0] == "" {
		return unix.ENOENT
	}
	missing := error(unix.ENOENT)
	for dir := range strings.SplitSeq(dirs, ":") {
		path := dir + "/" + argv[0]
		if dir == "" {
			path = argv[0]
		}
		var info unix.Stat_t
		err := unix.Stat(path, &info) // which costs less than a process that finds out
		if err == nil {
			err = orByShell(path, argv, do)
		}
		switch err {
		case unix.EACCES:
			missing = err // unless there is another
		case unix.ENOENT, unix.ENOTDIR, unix.ESTALE, unix.ENODEV, unix.ETIMEDOUT:
		default:
			return err
		}
	}
	return missing
}

// orByShell has do run the program at path, by the shell if it says not how.
func orByShell(path string, argv []string, do func(path string, argv []string) error) error {
	err := do(path, argv)
	if err == unix.ENOEXEC {
		err = do("/bin/sh", append([]string{"/bin/sh", path}, argv[1:]...))
	}
	return err
}
