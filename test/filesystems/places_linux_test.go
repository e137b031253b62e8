package filesystems

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A place is a directory where something cannot be had, perhaps. Its function
// makes it, with what prepare puts there before that is so.
type place struct {
	name  string
	make  func(t testing.TB, prepare func(dir string)) (dir string)
	spend func(t testing.TB, dir string) // uses up what there is; nil: nothing can be
}

// places are all that are measured: beds, and those where something is missing.
func places() (all []place) {
	for _, b := range beds {
		all = append(all, place{name: b.name, make: func(t testing.TB, prepare func(string)) string {
			dir := b.mount(t)
			prepare(dir)
			return dir
		}})
	}
	return append(all, scarce...)
}

// scarce are the places where something is missing.
var scarce = []place{
	{name: "read-only mount", make: func(t testing.TB, prepare func(string)) string {
		dir := newDir(t)
		prepare(dir)
		return readOnly(t, dir)
	}},
	{name: "squashfs", make: func(t testing.TB, prepare func(string)) string {
		dir := newDir(t)
		prepare(dir)
		return squash(t, dir)
	}},
	{name: "full tmpfs", make: prepared(func(t testing.TB) string { return tmpfs(t, "size=256k") }), spend: fill},
	{name: "full ext4", make: prepared(func(t testing.TB) string { return disk(t, 16, "ext4", "-m", "0") }), spend: fill},
	{name: "full xfs", make: prepared(func(t testing.TB) string { return disk(t, 300, "xfs") }), spend: fill},
	{name: "full btrfs", make: prepared(func(t testing.TB) string { return disk(t, 32, "btrfs", "--mixed") }), spend: fill},
	{name: "tmpfs without inodes", make: prepared(func(t testing.TB) string { return tmpfs(t, "nr_inodes=100") }), spend: useInodes},
	{name: "ext4 without inodes", make: prepared(func(t testing.TB) string { return disk(t, 16, "ext4", "-N", "128") }), spend: useInodes},
	{name: "btrfs at its quota", make: prepared(func(t testing.TB) string { return limited(t, 4<<20) }), spend: fill},
}

func prepared(mount func(t testing.TB) string) func(testing.TB, func(string)) string {
	return func(t testing.TB, prepare func(string)) string {
		dir := mount(t)
		prepare(dir)
		return dir
	}
}

// inAll runs a test in several places at once.
func inAll(t *testing.T, places []place, test func(t *testing.T, p place)) {
	var wg sync.WaitGroup
	for _, p := range places {
		wg.Go(func() { t.Run(p.name, func(t *testing.T) { test(t, p) }) })
	}
	wg.Wait()
}

// The directory that holds what uses everything up.
func wasteIn(dir string) string { return filepath.Join(dir, "waste") }

// isNoRoom reports whether err says that there is no room.
func isNoRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// fill writes until not a byte more can be written. What a file system sets aside
// for what it has not stored yet, it is made to store.
func fill(t testing.TB, dir string) {
	f, err := os.OpenFile(wasteIn(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	must(t, err)
	defer f.Close()
	for size, failures := 1<<20, 0; failures < 3; {
		_, err := f.Write(make([]byte, size))
		switch {
		case err == nil:
			failures = 0
		case !isNoRoom(err):
			t.Fatal(err)
		case size > 1:
			size /= 2
		default:
			failures++
			if err := f.Sync(); err != nil && !isNoRoom(err) {
				t.Fatal(err)
			}
			size = 4096
		}
	}
}

// useInodes makes files until there cannot be one more.
func useInodes(t testing.TB, dir string) {
	if err := os.Mkdir(wasteIn(dir), 0o777); err != nil && !errors.Is(err, os.ErrExist) && !isNoRoom(err) {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		f, err := os.OpenFile(filepath.Join(wasteIn(dir), fmt.Sprint(i)), os.O_CREATE|os.O_RDWR, 0o666)
		if isNoRoom(err) {
			return
		}
		must(t, err)
		must(t, f.Close())
	}
}

// giveBack has room be there again, which a journal gives out only after a moment.
func giveBack(t testing.TB, dir string) {
	must(t, os.RemoveAll(wasteIn(dir)))
	room := filepath.Join(dir, "room")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.WriteFile(room, make([]byte, 1<<16), 0o666)
		os.Remove(room)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
