package filesystems

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/gofilelock/filelock/internal/testproc"
)

func init() { roles["passthrough"] = servePassthrough }

// The ways in which a FUSE file system can have locks.
const (
	systemsLocks = "system" // the kernel's, of this machine
	serversLocks = "server" // the program's that serves it
)

// passthrough shows a directory by a program.
func passthrough(t testing.TB, locks string) string {
	behind, dir := newDir(t), newDir(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE here:", err)
	}
	p := testproc.Start(t, "passthrough", behind, dir, locks)
	p.Expect("serving")
	t.Cleanup(func() { must(t, p.Wait()) })
	return mounted(t, dir)
}

// servePassthrough is a process that shows one directory at another one until it
// is unmounted. Its arguments are the two, and whose locks there are. Serving in a process of its own keeps a test from
// waiting for itself.
func servePassthrough(args []string) error {
	root, err := fs.NewLoopbackRoot(args[0])
	if err != nil {
		return err
	}
	server, err := fs.Mount(args[1], root, &fs.Options{
		MountOptions: fuse.MountOptions{
			EnableLocks:       args[2] == serversLocks,
			DirectMountStrict: true,
			// The kernel would keep a file open that one process has locked for as
			// long as any other has it open, and with it the lock of the dead.
			MaxStackDepth: -1,
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("serving")
	server.Wait()
	io.Copy(io.Discard, os.Stdin)
	return nil
}
