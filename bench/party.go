package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A party is a program that takes one lock as it is told. Those in Go and those
// in Python are told the same; peer.py says what.
type party struct {
	name  string
	start func(b *bench, path string) (*proc, error)
}

func goParty(kind string) party {
	return party{kind, func(b *bench, path string) (*proc, error) {
		return b.startSelf(kind, "party", kind, path)
	}}
}

// obey is the role of a party in Go.
func obey(args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := kindNamed(args[0]).open(args[1])
	if err != nil {
		return err
	}
	var released int64
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		word, number, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "acquire":
			fmt.Println("waiting")
			if err := l.acquire(ctx); err != nil {
				return err
			}
			fmt.Println(monotonic())
		case "release":
			ns, _ := strconv.Atoi(number)
			time.Sleep(time.Duration(ns))
			released = monotonic()
			if err := l.release(); err != nil {
				return err
			}
		case "released":
			fmt.Println(released)
		}
	}
	return in.Err()
}

// wait has the party begin to acquire, and returns when it does.
func (p *proc) wait() error {
	if err := p.say("acquire", 0); err != nil {
		return err
	}
	return p.expect("waiting")
}

// acquire has the party acquire, and returns when it has the lock.
func (p *proc) acquire() error {
	if err := p.wait(); err != nil {
		return err
	}
	_, err := p.nextNumber()
	return err
}

//go:embed peer.py
var peerPy string

// python is the system's own, which has the libraries of its packages.
const python = "/usr/bin/python3"

// A pyFilelock is one version of py-filelock.
type pyFilelock struct{ name, dir string }

func (py pyFilelock) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, python, args...)
	if py.dir != "" {
		cmd.Env = append(os.Environ(), "PYTHONPATH="+py.dir)
	}
	return cmd
}

// party is the version with one of its classes.
func (py pyFilelock) party(class string) party {
	return party{py.name, func(b *bench, path string) (*proc, error) {
		return b.start(py.name, py.command(b.ctx, "-c", peerPy, class, path))
	}}
}

// pyFilelocks returns the versions that there are: the system's, and those that
// FILELOCK_PY names.
func (b *bench) pyFilelocks() (all []pyFilelock, err error) {
	for _, dir := range append([]string{""}, filepath.SplitList(os.Getenv("FILELOCK_PY"))...) {
		if dir != "" {
			if _, err := os.Stat(filepath.Join(dir, "filelock")); err != nil { // Python would take the system's
				return nil, err
			}
		}
		py := pyFilelock{dir: dir}
		version, err := py.command(b.ctx, "-c", "import filelock; print(filelock.__version__)").Output()
		py.name = "py-filelock " + strings.TrimSpace(string(version))
		switch {
		case err != nil && dir != "":
			return nil, fmt.Errorf("py-filelock in %s cannot be used: %w", dir, err)
		case err != nil:
			b.note("py-filelock (Debian's package python3-filelock is not installed)")
		case !slices.ContainsFunc(all, func(other pyFilelock) bool { return other.name == py.name }):
			all = append(all, py)
		}
	}
	return all, nil
}

// flockCommand returns flock(1) that takes the lock for the time of true(1).
func (b *bench) flockCommand(path string) (*exec.Cmd, bool) {
	program, err := exec.LookPath("flock")
	if err != nil {
		b.note("flock(1) (%v)", err)
		return nil, false
	}
	return exec.CommandContext(b.ctx, program, path, "true"), true
}

// flockParty is flock(1), which acquires once.
func (b *bench) flockParty() (party, bool) {
	_, ok := b.flockCommand("")
	return party{"flock(1)", func(b *bench, path string) (*proc, error) {
		const script = `read -r _; echo waiting; exec flock "$1" true`
		return b.start("flock(1)", exec.CommandContext(b.ctx, "sh", "-c", script, "sh", path))
	}}, ok
}
