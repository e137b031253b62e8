package probe

import (
	"bufio"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofilelock/filelock/internal/mark"
	"github.com/gofilelock/filelock/internal/procid"
)

// Two machines try one directory: the peer connects by TCP to the listener, and
// says, in a line,
//
//	filelock-probe 1 TOKEN DIRECTORY NONCE
//
// The token is what the listener has shown, DIRECTORY one that the peer has made
// in the one that both are to try, and NONCE stands in a file of it, by which
// the listener knows that it sees the same. Then the peer tells it what to do, in
// the lines of an agent and "kill". The connection is not encrypted: whoever
// reads it can have files of fixed names made and removed in that directory.

const (
	hello     = "filelock-probe 1"
	nonceFile = "nonce"
)

// errOther says that the two sides do not see the same.
var errOther = errors.New("it is not the same directory that the peer sees")

// Remote has this process and the listener at the address try the directory at
// dir, which both see. It leaves nothing behind, also if ctx ends.
func Remote(ctx context.Context, dir, address, token string) (report *Report, err error) {
	if !isRandom(token) {
		return nil, fmt.Errorf("%w: the token is not one that a listener shows", fs.ErrInvalid)
	}
	var d net.Dialer
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := d.DialContext(limited, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	path, err := room(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
	nonce := random()
	if err := os.WriteFile(filepath.Join(path, nonceFile), []byte(nonce), 0o666); err != nil {
		return nil, err
	}
	other := peer{line{conn.SetDeadline, bufio.NewReaderSize(conn, longestLine), conn}}
	if got := other.ask(strings.Join([]string{hello, token, filepath.Base(path), nonce}, " ")); got != "ok" {
		return nil, fmt.Errorf("%s: %s", address, procid.Printable(strings.TrimPrefix(got, "error ")))
	}
	return try(ctx, dir, path, other, address)
}

// A peer is the side of a listener.
type peer struct{ line }

func (p peer) close() error { return nil }

func (p peer) kill() error {
	if got := p.ask("kill"); got != "ok" {
		return errors.New(procid.Printable(got))
	}
	return nil
}

// A Listener waits for a peer to try a directory with.
type Listener struct {
	Token    string
	dir      string
	listener net.Listener
	patience time.Duration // until a directory is seen that the peer has made
}

// Listen waits at a TCP address for a peer that knows the token.
func Listen(ctx context.Context, dir, address string) (*Listener, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, &os.PathError{Op: "probe", Path: dir, Err: errors.New("not a directory")}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Listener{Token: random(), dir: dir, listener: l, patience: patience / 2}, nil
}

// Addr returns where it listens.
func (l *Listener) Addr() string { return l.listener.Addr().String() }

// Serve does what one peer wants, until that has what it wants to know or ctx
// ends. Those who do not know the token are turned away, and after ten of them
// Serve fails.
func (l *Listener) Serve(ctx context.Context) error {
	defer l.listener.Close()
	defer context.AfterFunc(ctx, func() { l.listener.Close() })()
	const strangers = 10
	var err error
	for range strangers {
		conn, errAccept := l.listener.Accept()
		if errAccept != nil {
			return errors.Join(ctx.Err(), errAccept)
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		var known bool
		known, err = l.session(ctx, conn)
		stop()
		conn.Close()
		if known || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	return fmt.Errorf("too many have come who do not know the token: %w", err)
}

// session serves one connection. It reports whether the other side knows the
// token.
func (l *Listener) session(ctx context.Context, conn net.Conn) (known bool, err error) {
	in := bufio.NewReaderSize(conn, longestLine)
	reply := func(text string) error {
		_, err := fmt.Fprintln(conn, text)
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	first, err := readLine(in)
	if err != nil {
		return false, err
	}
	words := strings.Fields(strings.TrimPrefix(first, hello+" "))
	if !strings.HasPrefix(first, hello+" ") || len(words) != 3 || subtle.ConstantTimeCompare([]byte(words[0]), []byte(l.Token)) != 1 {
		return false, errors.Join(errors.New("wrong token"), reply("error wrong token"))
	}
	path, err := l.find(ctx, words[1], words[2])
	if err != nil {
		return true, errors.Join(err, reply(answer(err)))
	}
	c, err := startChild(ctx, path)
	if err != nil {
		return true, errors.Join(err, reply(answer(err)))
	}
	defer c.close()
	text := "ok"
	for {
		if err := reply(text); err != nil {
			return true, err
		}
		const idle = time.Minute // as long as the peer may wait for a lock
		conn.SetDeadline(time.Now().Add(idle))
		ask, err := readLine(in)
		switch {
		case err != nil:
			return true, nil // it has what it wants to know
		case ask == "kill":
			text = answer(c.kill())
		default:
			text = c.ask(ask)
		}
	}
}

// find returns the path of the peer's directory, once the nonce is in it: what
// another machine has made may take a while to be seen.
func (l *Listener) find(ctx context.Context, name, nonce string) (path string, err error) {
	if id, ok := strings.CutPrefix(name, prefix); !ok || !isRandom(id) || !isRandom(nonce) {
		return "", errMisuse
	}
	path = filepath.Join(l.dir, name)
	for end := time.Now().Add(l.patience); ; {
		info, err := os.Lstat(path)
		if err == nil && info.IsDir() {
			e, err := mark.Look(filepath.Join(path, nonceFile), len(nonce))
			if err == nil && string(e.Content) == nonce {
				return path, nil
			}
		}
		if time.Now().After(end) {
			return "", errOther
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// isRandom reports whether s may be of the function random.
func isRandom(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }
