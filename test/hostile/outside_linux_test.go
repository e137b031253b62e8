package hostile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// furnish puts into the outside what somebody could be made to write to or to
// remove: files of each of the users, with contents that locks would believe.
func (p place) furnish(t testing.TB) {
	t.Helper()
	for owner, home := range map[int]string{victim: "victim", root: "root"} {
		home = filepath.Join(p.outside, home)
		must(t, os.Mkdir(home, 0o755))
		must(t, os.Chown(home, owner, owner))
		for _, dir := range []string{"", "lock.d", "empty.d"} {
			dir = filepath.Join(home, dir)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				t.Fatal(err)
			}
			must(t, os.Chown(dir, owner, owner))
			if filepath.Base(dir) == "empty.d" {
				continue
			}
			for name, content := range belongings() {
				for _, mode := range []os.FileMode{0o600, 0o644, 0o666} {
					path := filepath.Join(dir, fmt.Sprintf("%s.%o", name, mode))
					if mode == 0o644 {
						path = filepath.Join(dir, name)
					}
					must(t, os.WriteFile(path, []byte(content), mode))
					must(t, os.Chmod(path, mode))
					must(t, os.Chown(path, owner, owner))
				}
			}
		}
	}
}

// belongings are names and contents of what is outside. The names are those that
// locks have, so that a directory of these can stand in for the common one.
func belongings() map[string]string {
	all := map[string]string{
		"secret": "what nobody else may see\n", "empty": "", "token": fmt.Sprintf("%020d\n", 7),
		deadName(): deadName(), "data": "data of the victim\n",
	}
	for name, content := range map[string]string{"x.lock": deadRecord(), "x": fmt.Sprintln(deadPID), "x.lock.token": fmt.Sprintf("%020d\n", 9)} {
		all[name] = content
	}
	return all
}

// A belonging is what there is to know of a file. When it was read is not part of
// it: everybody may read through a link of theirs. Nor is the number of its names.
type belonging struct {
	mode             uint32
	uid, gid         uint32
	size, modified   int64
	content, extends string
}

// snapshot describes all that is outside. The time of a directory shows what has
// been made in it and removed again.
func (p place) snapshot(t testing.TB) map[string]belonging {
	t.Helper()
	all := map[string]belonging{}
	must(t, filepath.WalkDir(p.outside, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		all[path], err = describe(path)
		return err
	}))
	return all
}

func describe(path string) (b belonging, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return b, err
	}
	st := info.Sys().(*syscall.Stat_t)
	b = belonging{mode: st.Mode, uid: st.Uid, gid: st.Gid, size: st.Size, modified: info.ModTime().UnixNano()}
	if info.Mode().IsRegular() {
		content, err := os.ReadFile(path)
		if err != nil {
			return b, err
		}
		b.content = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	var names [4096]byte
	n, err := unix.Llistxattr(path, names[:])
	if errors.Is(err, unix.ENOTSUP) {
		n, err = 0, nil
	}
	b.extends = string(names[:n])
	return b, err
}

// differences says what has become of what was outside.
func differences(before, after map[string]belonging) (all []string) {
	for path, was := range before {
		switch is, ok := after[path]; {
		case !ok:
			all = append(all, path+" has been removed")
		case is != was:
			all = append(all, fmt.Sprintf("%s was %+v and is %+v", path, was, is))
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			all = append(all, path+" has been made")
		}
	}
	return all
}

// unharmed fails the test if something outside is not as it was.
func (p place) unharmed(t testing.TB, before map[string]belonging) {
	t.Helper()
	for _, d := range differences(before, p.snapshot(t)) {
		t.Error(d)
	}
}
