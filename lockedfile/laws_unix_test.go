//go:build unix

package lockedfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() { roles["using"] = using }

// using is a process that does something to a file. Its arguments are what, the
// path, and the file that is locked.
func using(args []string) (err error) {
	path, opts := args[1], way(args[2])
	switch args[0] {
	case "Read":
		_, err = lockedfile.Read(bg, path, opts...)
	case "Create":
		err = openAndClose(lockedfile.Create(bg, path, opts...))
	case "Write":
		err = lockedfile.Write(bg, path, strings.NewReader("by nobody"), 0o666, opts...)
	}
	switch {
	case err == nil:
		fmt.Println("done")
	case errors.Is(err, fs.ErrPermission):
		fmt.Println("permission")
	default:
		return err
	}
	return nil
}

// openAndClose closes the file that has been opened, for certain.
func openAndClose(f *lockedfile.File, err error) error {
	if err != nil {
		if f != nil {
			err = errors.Join(err, errors.New("an error comes with a file"))
		}
		return err
	}
	err = f.Close()
	if err != nil {
		if again := f.Close(); again != nil && !errors.Is(again, fs.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("and closing it again fails too: %w", again))
		}
	}
	if again := f.Close(); !errors.Is(again, fs.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("once more, and closing it does not fail: %w", again))
	}
	return err
}

// openDir returns a new directory that others can enter, with a given mode.
func openDir(t *testing.T, mode fs.FileMode) string {
	dir, err := os.MkdirTemp("", "lockedfile")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, mode))
	return dir
}

func modeOf(t *testing.T, path string) fs.FileMode {
	info, err := os.Lstat(path)
	must(t, err)
	return info.Mode()
}

func ownerOf(t *testing.T, path string) (uid, gid uint32) {
	info, err := os.Lstat(path)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	return uint32(st.Uid), uint32(st.Gid)
}

func TestReplacedFileKeepsItsModeAndOwner(t *testing.T) {
	path := dataPath(t)
	must(t, lockedfile.Write(bg, path, strings.NewReader("new"), 0o604))
	if got, umask := modeOf(t, path), umask(t); got != 0o604&^umask {
		t.Errorf("the mode of a new file is %v, with a umask of %v", got, umask)
	}
	for _, mode := range []fs.FileMode{0o600, 0o666, 0o751} {
		must(t, os.Chmod(path, mode))
		if os.Getuid() == 0 {
			must(t, os.Chown(path, 1234, 5678))
		}
		uid, gid := ownerOf(t, path)
		must(t, lockedfile.Write(bg, path, strings.NewReader("new"), 0o604))
		if got := modeOf(t, path); got != mode {
			t.Errorf("the mode was %v, and is %v", mode, got)
		}
		if u, g := ownerOf(t, path); u != uid || g != gid {
			t.Errorf("the owner was %d:%d, and is %d:%d", uid, gid, u, g)
		}
	}
}

// umask returns the process's, as a new file shows it.
func umask(t *testing.T) fs.FileMode {
	path := dataPath(t)
	f, err := os.OpenFile(path, os.O_CREATE, 0o777)
	must(t, err)
	must(t, f.Close())
	return 0o777 &^ modeOf(t, path)
}

// TestAnotherGroupGetsNoMoreThanOthers has a file replaced by somebody who
// cannot give the new one its group.
func TestAnotherGroupGetsNoMoreThanOthers(t *testing.T) {
	path := filepath.Join(openDir(t, 0o777), "data")
	write(t, path, "old")
	must(t, os.Chmod(path, 0o662))
	p := testproc.StartAsNobody(t, "using", "Write", path, "beside")
	p.Expect("done")
	if got := modeOf(t, path); got != 0o622 {
		t.Errorf("the mode was 0662, and is %v", got)
	}
	wantContent(t, path, "by nobody")
}

func TestFileThatMayNotBeWrittenIsNotReplaced(t *testing.T) {
	path := filepath.Join(openDir(t, 0o777), "data")
	write(t, path, "old")
	must(t, os.Chmod(path, 0o644))
	for way := range ways {
		for _, what := range []string{"Write", "Create"} {
			p := testproc.StartAsNobody(t, "using", what, path, way)
			p.Expect("permission")
		}
	}
	wantContent(t, path, "old")
}

// TestReaderInAReadOnlyDirectory needs a lock file that is there, or none.
func TestReaderInAReadOnlyDirectory(t *testing.T) {
	path := filepath.Join(openDir(t, 0o755), "data")
	write(t, path, "content")
	read := func(way, expect string) {
		t.Helper()
		p := testproc.StartAsNobody(t, "using", "Read", path, way)
		p.Expect(expect)
	}
	read("beside", "permission")
	read("itself", "done")
	must(t, lockedfile.Write(bg, path, strings.NewReader("content"), 0o666))
	must(t, os.Chmod(path+".lock", 0o644))
	read("beside", "done")
}

func TestLaw23OtherUsersFileInAStickyDirectory(t *testing.T) {
	path := filepath.Join(openDir(t, 0o777|fs.ModeSticky), "data")
	for _, name := range []string{path, path + ".lock"} {
		write(t, name, "old")
		must(t, os.Chmod(name, 0o666))
	}
	for way := range ways {
		p := testproc.StartAsNobody(t, "using", "Create", path, way)
		p.Expect("done")
		wantContent(t, path, "")
	}
	write(t, path, "old")
	p := testproc.StartAsNobody(t, "using", "Write", path, "itself")
	p.Expect("done")
	wantContent(t, path, "by nobody")
	p = testproc.StartAsNobody(t, "using", "Write", path, "beside") // would take its owner's name away
	p.Expect("permission")
	wantContent(t, path, "by nobody")
	wantFiles(t, path, "data", "data.lock")
}

// TestLaw16CloseFreesWhatAChildHasInherited has a child keep the open file.
func TestLaw16CloseFreesWhatAChildHasInherited(t *testing.T) {
	for way, opts := range ways {
		path := dataPath(t)
		f, err := lockedfile.Create(bg, path, opts...)
		must(t, err)
		cmd := exec.Command("sleep", "60")
		dup, err := syscall.Dup(int(f.Fd()))
		must(t, err)
		inherited := os.NewFile(uintptr(dup), path)
		cmd.ExtraFiles = []*os.File{inherited}
		must(t, cmd.Start())
		must(t, inherited.Close())
		must(t, f.Close())
		f, err = lockedfile.Edit(bg, path, append(opts, filelock.NonBlocking())...)
		if err != nil {
			t.Errorf("%s: %v", way, err)
		} else {
			must(t, f.Close())
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// TestLaw24TrapsAreNotWaitedForNorFollowed lays them where files are to be.
func TestLaw24TrapsAreNotWaitedForNorFollowed(t *testing.T) {
	victim := dataPath(t)
	write(t, victim, "victim")
	traps := map[string]func(path string) error{
		"a named pipe":  func(path string) error { return unix.Mkfifo(path, 0o666) },
		"a directory":   func(path string) error { return os.Mkdir(path, 0o777) },
		"a link":        func(path string) error { return os.Symlink(victim, path) },
		"a broken link": func(path string) error { return os.Symlink(victim+"2", path) },
	}
	for trap, lay := range traps {
		for way, opts := range ways {
			for where, name := range map[string]string{"the file": "", "its lock": ".lock", "the temporary file": ".lock.new"} {
				switch {
				case way == "itself" && name != "", trap == "a link" && name == "", trap == "a directory" && name == ".lock":
					continue // not in the way there
				}
				t.Run(fmt.Sprintf("%s for %s, %s", trap, where, way), func(t *testing.T) {
					path := dataPath(t)
					must(t, lay(path+name))
					is := fs.ErrInvalid
					if name == "" && trap == "a broken link" {
						is = fs.ErrNotExist
					}
					want(t, lockedfile.Write(bg, path, strings.NewReader("x"), 0o666, opts...), is)
					if name != ".lock.new" {
						want(t, openAndClose(lockedfile.Edit(bg, path, opts...)), is)
					}
					if name == "" {
						_, err := lockedfile.Read(bg, path, opts...)
						want(t, err, is)
						wantFiles(t, path, "data")
					}
				})
			}
		}
	}
	wantContent(t, victim, "victim")
	wantFiles(t, victim, "data")
}

// TestLaw24WhatStrangersLayInACommonDirectory is neither followed nor written to.
func TestLaw24WhatStrangersLayInACommonDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make files of another user")
	}
	const stranger = 1234
	traps := map[string]func(victim, path string) error{
		"a link": func(victim, path string) error {
			return errors.Join(os.Symlink(victim, path), os.Lchown(path, stranger, -1))
		},
		"a broken link": func(victim, path string) error {
			return errors.Join(os.Symlink(victim+"2", path), os.Lchown(path, stranger, -1))
		},
		"a chain": func(victim, path string) error {
			return errors.Join(os.Symlink(victim, path+"2"), os.Lchown(path+"2", stranger, -1), os.Symlink(filepath.Base(path)+"2", path))
		},
		"a hard link": os.Link,
		"a file": func(_, path string) error {
			return errors.Join(os.WriteFile(path, []byte("victim"), 0o666), os.Chmod(path, 0o666), os.Chown(path, stranger, -1))
		},
	}
	for trap, lay := range traps {
		for way, opts := range ways {
			t.Run(trap+", "+way, func(t *testing.T) {
				victim, path := dataPath(t), filepath.Join(openDir(t, 0o777|fs.ModeSticky), "data")
				write(t, victim, "victim")
				must(t, lay(victim, path))
				want(t, lockedfile.Write(bg, path, strings.NewReader("x"), 0o600, opts...), fs.ErrPermission)
				want(t, openAndClose(lockedfile.Edit(bg, path, opts...)), fs.ErrPermission)
				want(t, openAndClose(lockedfile.Create(bg, path, opts...)), fs.ErrPermission)
				if trap == "a link" || trap == "a chain" {
					_, err := lockedfile.Read(bg, path, opts...)
					want(t, err, fs.ErrPermission)
				}
				wantContent(t, victim, "victim")
				wantFiles(t, victim, "data")
				if trap == "a file" {
					wantContent(t, path, "victim")
				}
			})
		}
	}
}

// TestLaw02LinkAndFileHaveOneLock reaches a file by links in two directories.
func TestLaw02LinkAndFileHaveOneLock(t *testing.T) {
	eachWay(t, func(t *testing.T, path string, with func(...filelock.FileOption) []filelock.FileOption) {
		write(t, path, "content")
		link := filepath.Join(t.TempDir(), "link")
		second := filepath.Join(t.TempDir(), "second")
		must(t, os.Symlink(path, link))
		must(t, os.Symlink(link, second))
		opts := with(filelock.NonBlocking())
		names := []string{path, link, second}
		for _, name := range names {
			f, err := lockedfile.Edit(bg, name, opts...)
			must(t, err)
			for _, other := range names {
				wantWritersLocked(t, other, opts)
			}
			must(t, f.Close())
		}
		must(t, lockedfile.Write(bg, second, strings.NewReader("new content"), 0o666, opts...))
		wantContent(t, path, "new content")
		if modeOf(t, link)&fs.ModeSymlink == 0 || modeOf(t, second)&fs.ModeSymlink == 0 {
			t.Error("a link has been replaced")
		}
		wantFiles(t, link, "link")
	})
}
