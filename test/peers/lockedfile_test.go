package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	gofile "github.com/rogpeppe/go-internal/lockedfile"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() {
	roles["adding with cmd/go's"] = func(args []string) error {
		return addTo(args, func(t func([]byte) ([]byte, error)) error { return gofile.Transform(args[0], t) })
	}
	roles["adding with ours"] = func(args []string) error {
		return addTo(args, func(t func([]byte) ([]byte, error)) error {
			return lockedfile.Transform(context.Background(), args[0], t, lockedfile.Itself())
		})
	}
}

// addTo adds to the number in a file as often as the second argument says.
func addTo(args []string, transform func(func([]byte) ([]byte, error)) error) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for range n {
		err := transform(func(old []byte) ([]byte, error) {
			value, err := strconv.Atoi(string(old))
			return fmt.Append(nil, value+1), err
		})
		if err != nil {
			return err
		}
	}
	fmt.Println("done")
	return nil
}

// flags open a file of cmd/go's, or of ours, shared or exclusively.
func flags(shared bool) int {
	if shared {
		return os.O_RDONLY
	}
	return os.O_RDWR
}

func TestGoExcludesOurFileItself(t *testing.T) {
	ctx := context.Background()
	for _, theirs := range []bool{false, true} {
		for _, ours := range []bool{false, true} {
			t.Run(fmt.Sprintf("they share %v, we share %v", theirs, ours), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "go.sum")
				must(t, os.WriteFile(path, []byte("content"), 0o666))
				proc := startRole("lockedfile")(t, path, theirs)
				do(t, proc, "acquire", "done")
				f, err := lockedfile.OpenFile(ctx, path, flags(ours), 0, lockedfile.Itself(), filelock.NonBlocking())
				if theirs && ours {
					must(t, err)
					must(t, f.Close())
					return
				}
				if !errors.Is(err, filelock.ErrLocked) {
					t.Fatalf("we get it: %v", err)
				}
				got := make(chan error, 1)
				go func() {
					f, err := lockedfile.OpenFile(ctx, path, flags(ours), 0, lockedfile.Itself())
					if err == nil {
						err = f.Close()
					}
					got <- err
				}()
				do(t, proc, "release", "done")
				must(t, <-got)
			})
		}
	}
}

func TestOurFileItselfExcludesGo(t *testing.T) {
	ctx := context.Background()
	for _, theirs := range []bool{false, true} {
		for _, ours := range []bool{false, true} {
			t.Run(fmt.Sprintf("they share %v, we share %v", theirs, ours), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "go.sum")
				must(t, os.WriteFile(path, []byte("content"), 0o666))
				f, err := lockedfile.OpenFile(ctx, path, flags(ours), 0, lockedfile.Itself())
				must(t, err)
				proc := startRole("lockedfile")(t, path, theirs)
				proc.Say("acquire")
				if !theirs || !ours {
					waitUntilBlocked(t, proc.PID())
					must(t, f.Close())
				}
				proc.Expect("done")
				if theirs && ours {
					must(t, f.Close())
				}
				_, err = lockedfile.Edit(ctx, path, lockedfile.Itself(), filelock.NonBlocking())
				if !errors.Is(err, filelock.ErrLocked) {
					t.Errorf("they have it, but we get it: %v", err)
				}
				do(t, proc, "release", "done")
			})
		}
	}
}

// TestGoTransformsWithUs has cmd/go's and ours add to one number.
func TestGoTransformsWithUs(t *testing.T) {
	const each, pairs = 100, 2
	path := filepath.Join(t.TempDir(), "counter")
	must(t, os.WriteFile(path, []byte("0"), 0o666))
	var procs []*testproc.Proc
	for range pairs {
		for _, role := range []string{"adding with cmd/go's", "adding with ours"} {
			procs = append(procs, testproc.Start(t, role, path, strconv.Itoa(each)))
		}
	}
	for _, p := range procs {
		p.Expect("done")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != strconv.Itoa(2*pairs*each) {
		t.Errorf("they added to %s, %v", got, err)
	}
}

// TestGoReadsWhatWeWrite, and the other way round, on one file.
func TestGoReadsWhatWeWrite(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "go.sum")
	must(t, lockedfile.Write(ctx, path, strings.NewReader("by ours, and longer"), 0o666, lockedfile.Itself()))
	got, err := gofile.Read(path)
	if string(got) != "by ours, and longer" || err != nil {
		t.Errorf("cmd/go's reads %q, %v", got, err)
	}
	must(t, gofile.Write(path, strings.NewReader("by theirs"), 0o666))
	got, err = lockedfile.Read(ctx, path, lockedfile.Itself())
	if string(got) != "by theirs" || err != nil {
		t.Errorf("ours reads %q, %v", got, err)
	}
}

// TestZcExcludesOurFileBeside has zc.lockfile and ours meet at path.lock, with
// the contents that its documentation shows.
func TestZcExcludesOurFileBeside(t *testing.T) {
	ctx := context.Background()
	host, err := os.Hostname()
	must(t, err)
	for kind, template := range map[string]string{"zc default": " {pid}\n", "zc": " {pid};{hostname}\n"} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data")
			holder := func() string {
				b, err := os.ReadFile(path + ".lock")
				must(t, err)
				return string(b)
			}
			expect := func(pid int) string {
				return strings.NewReplacer("{pid}", strconv.Itoa(pid), "{hostname}", host).Replace(template)
			}
			proc := startPython(kind)(t, path+".lock", false)

			f, err := lockedfile.Create(ctx, path, filelock.WithContent(template))
			must(t, err)
			do(t, proc, "try", "busy")
			if got := holder(); got != expect(os.Getpid()) {
				t.Errorf("we have it, but after their attempt the lock file holds %q", got)
			}
			must(t, f.Close())

			do(t, proc, "try", "done")
			for what, err := range map[string]error{
				"Write": lockedfile.Write(ctx, path, strings.NewReader("x"), 0o666, filelock.WithContent(template), filelock.NonBlocking()),
				"Do":    lockedfile.Do(ctx, path, func(context.Context) error { return nil }, filelock.WithContent(template), filelock.WithTimeout(0)),
			} {
				if lockErr := new(filelock.LockError); !errors.As(err, &lockErr) || !errors.Is(err, filelock.ErrLocked) {
					t.Errorf("%s: %v", what, err)
				} else if h, _ := lockErr.Holder(); h.PID != proc.PID() {
					t.Errorf("%s: process %d has it, but the holder is %+v", what, proc.PID(), h)
				}
			}
			if got := holder(); got != expect(proc.PID()) {
				t.Errorf("they have it, but after our attempts the lock file holds %q, want %q", got, expect(proc.PID()))
			}
			do(t, proc, "release", "done")
			f, err = lockedfile.Edit(ctx, path, filelock.WithContent(template), filelock.NonBlocking())
			must(t, err)
			if got := holder(); got != expect(os.Getpid()) {
				t.Errorf("we have it, and the lock file holds %q", got)
			}
			if b, err := io.ReadAll(f); err != nil || len(b) > 0 {
				t.Errorf("the file holds %q, %v", b, err)
			}
			must(t, f.Close())
		})
	}
}
