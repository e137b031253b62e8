package filesystems

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/locktest"
)

// A bed is a sort of file system. Its function mounts a new one for a test, and
// returns a directory in it that can be written to.
type bed struct {
	name  string
	mount func(t testing.TB) string

	// Other machines may be at it too, so a process's number proves nothing.
	remote bool
	// The system does not tell who holds its locks.
	blind bool
}

// beds are those on which all kinds of locks work.
var beds = []bed{
	{name: "tmpfs", mount: func(t testing.TB) string { return tmpfs(t, "size=64m") }},
	{name: "ext4", mount: func(t testing.TB) string { return disk(t, 64, "ext4") }},
	{name: "xfs", mount: func(t testing.TB) string { return disk(t, 300, "xfs") }},
	{name: "btrfs", mount: func(t testing.TB) string { return disk(t, 128, "btrfs") }},
	{name: "overlayfs", mount: func(t testing.TB) string { return overlay(t, nil) }},
	{name: "FUSE, locks of the system", mount: func(t testing.TB) string { return passthrough(t, systemsLocks) }, remote: true},
	{name: "FUSE, locks of the server", mount: func(t testing.TB) string { return passthrough(t, serversLocks) }, remote: true, blind: true},
}

// kinds returns all kinds of locks, as they are there.
func (b bed) kinds() []locktest.Kind {
	all := slices.Clone(kinds)
	for i, k := range all {
		all[i].Inspects = k.Inspects && (k.CanBreak || !b.blind)
		all[i].Outlives = k.Name == "pid" && b.remote
	}
	return all
}

// everywhere runs a test on all of them at once, as each waits for most of its
// time.
func everywhere(t *testing.T, test func(t *testing.T, b bed, dir string)) {
	var wg sync.WaitGroup
	for _, b := range beds {
		wg.Go(func() { t.Run(b.name, func(t *testing.T) { test(t, b, b.mount(t)) }) })
	}
	wg.Wait()
}

// mounted has the test fail unless the file system at dir, which has just been
// mounted, can be unmounted at its end: nobody may have anything open there, but
// for the moment that a lock file is kept.
func mounted(t testing.TB, dir string) string {
	t.Cleanup(func() {
		err := unix.Unmount(dir, 0)
		for end := time.Now().Add(30 * time.Second); err == unix.EBUSY && time.Now().Before(end); err = unix.Unmount(dir, 0) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return dir
}

func tmpfs(t testing.TB, options string) string {
	dir := newDir(t)
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, options))
	return mounted(t, dir)
}

// disk makes a file system of so many megabytes on a loop device, which goes with
// the mount.
func disk(t testing.TB, megabytes int64, kind string, args ...string) string {
	image := filepath.Join(newDir(t), "image")
	write(t, image, "")
	must(t, os.Truncate(image, megabytes<<20))
	run(t, "mkfs."+kind, append(append([]string{"-q"}, args...), image)...)
	return loop(t, image)
}

func loop(t testing.TB, image string, options ...string) string {
	dir := newDir(t)
	run(t, "mount", "-o", strings.Join(append(options, "loop"), ","), image, dir)
	return mounted(t, dir)
}

// squash makes a read-only file system with the content of a directory.
func squash(t testing.TB, content string) string {
	image := filepath.Join(newDir(t), "image")
	run(t, "mksquashfs", content, image, "-quiet", "-no-progress")
	return loop(t, image)
}

// readOnly shows a directory in another place, where nothing can be written.
func readOnly(t testing.TB, content string) string {
	dir := newDir(t)
	must(t, unix.Mount(content, dir, "", unix.MS_BIND, ""))
	mounted(t, dir)
	must(t, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	return dir
}

// overlay puts a file system in memory above a disk, on which lay has put files
// before: so the two have numbers of their own, as in most containers.
func overlay(t testing.TB, lay func(lower string)) string {
	lower, upper, dir := disk(t, 64, "ext4"), tmpfs(t, "size=64m"), newDir(t)
	for _, part := range []string{"upper", "work"} {
		must(t, os.Mkdir(filepath.Join(upper, part), 0o777))
	}
	if lay != nil {
		lay(lower)
	}
	options := "lowerdir=" + lower + ",upperdir=" + filepath.Join(upper, "upper") + ",workdir=" + filepath.Join(upper, "work")
	must(t, unix.Mount("overlay", dir, "overlay", 0, options))
	return mounted(t, dir)
}

// limited makes a disk with a directory that takes no more than so many bytes.
func limited(t testing.TB, bytes int64) string {
	top := disk(t, 128, "btrfs")
	dir := filepath.Join(top, "limited")
	run(t, "btrfs", "-q", "quota", "enable", top)
	run(t, "btrfs", "-q", "subvolume", "create", dir)
	run(t, "btrfs", "-q", "qgroup", "limit", strconv.FormatInt(bytes, 10), dir)
	return dir
}
