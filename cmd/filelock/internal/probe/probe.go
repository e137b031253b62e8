// Package probe finds out what a file system guarantees, by trying: two
// processes of one machine, or of two, make names and lock files in turn, each
// telling the other over a connection what to try next.
package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/sys"
)

// An Answer is what a check comes to.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // it could not be tried
)

// A Check is one thing that was tried.
type Check struct {
	Name   string `json:"name"`
	Works  Answer `json:"works"`
	Detail string `json:"detail,omitempty"`
}

func unknown(name, why string) Check {
	return Check{name, Unknown, procid.Printable(strings.TrimPrefix(why, "error "))}
}

// A Report is what was found out about a directory.
type Report struct {
	Directory string  `json:"directory"`
	System    string  `json:"file_system,omitempty"`
	Mount     string  `json:"mounted_on,omitempty"`
	Options   string  `json:"mount_options,omitempty"`
	Remote    bool    `json:"remote"` // other machines may work with it
	Peer      string  `json:"peer,omitempty"`
	Checks    []Check `json:"checks"`
	Use       string  `json:"use"`
}

// works reports whether the check of that name says yes.
func (r *Report) works(name string) bool {
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Works == Yes
		}
	}
	return false
}

// A prober has two sides try things.
type prober struct {
	ctx  context.Context
	a, b side
	dir  string
}

const prefix = ".filelock-probe-"

// room makes a directory in dir for what is tried. Where everybody may rename it
// what is tried could be led elsewhere.
func room(dir string) (path string, err error) {
	info, err := os.Stat(dir)
	if err == nil && runtime.GOOS != "windows" && info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		err = &fs.PathError{Op: "probe", Path: dir, Err: fmt.Errorf("%w: everybody may rename what is made there (probe a directory of your own in it)", fs.ErrPermission)}
	}
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, prefix+random())
	return path, os.Mkdir(path, 0o777)
}

// random returns what nobody can guess.
func random() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Local has two processes of this machine try the directory at dir. It leaves
// nothing behind, also if ctx ends.
func Local(ctx context.Context, dir string) (report *Report, err error) {
	path, err := room(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
	other, err := startChild(ctx, path)
	if err != nil {
		return nil, err
	}
	defer other.close()
	return try(ctx, dir, path, other, "")
}

// try has this process and the other side try what there is in path.
func try(ctx context.Context, dir, path string, other side, peer string) (*Report, error) {
	p := &prober{ctx: ctx, a: own{newAgent(path)}, b: other, dir: path}
	defer p.a.close()
	r := &Report{Directory: dir, Remote: sys.IsRemote(path), Peer: peer}
	r.System, r.Mount, r.Options = mountOf(path)
	for _, check := range []func() Check{
		func() Check { return p.locks(flockKind, nameFlock) },
		func() Check { return p.locks(ofdKind, nameOFD) },
		func() Check { return p.locks(posixKind, "record locks of processes") },
		func() Check { return p.names(nameExclusive, "make") },
		func() Check { return p.names(nameLink, "link") },
		func() Check { return p.names("rename without replacing", "move") },
		func() Check { return p.names("symbolic links", "symlink") },
		func() Check { return p.names(nameMkdir, "mkdir") },
		p.events, p.times, p.clock, p.lengths, p.cases, p.numbers, p.removed,
	} {
		r.Checks = append(r.Checks, check())
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	r.Use = r.advise()
	return r, nil
}

// The names of checks that the advice comes of.
const (
	nameFlock     = "flock"
	nameOFD       = "record locks of open files"
	nameExclusive = "exclusive creation"
	nameLink      = "hard links"
	nameMkdir     = "directories"
)

// advise says which lock to use.
func (r *Report) advise() string {
	switch {
	case r.works(nameFlock):
		if r.Remote && r.Peer == "" {
			return "filelock.New on this machine; whether other machines are excluded tells --peer"
		}
		return "filelock.New"
	case r.works(nameOFD):
		return "filelock.New with WithRecordLocks (--record)"
	case r.works(nameLink):
		return "a lease (--lease)"
	case r.works(nameExclusive):
		return "filelock.NewSoft (--soft); what a process that died leaves must be removed by hand"
	case r.works(nameMkdir):
		return "marker.NewMkdir (--mkdir); what a process that died leaves must be removed by hand"
	}
	return ""
}
