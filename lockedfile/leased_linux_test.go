package lockedfile_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/testproc"
	"github.com/gofilelock/filelock/lockedfile"
)

func init() { roles["leasing"] = leasing }

// TestLeasedFileIsNotWaitedForLong has somebody keep a lease of the file for as
// long as the system lets it, and put a named pipe there meanwhile.
func TestLeasedFileIsNotWaitedForLong(t *testing.T) {
	path := dataPath(t)
	write(t, path, "old")
	p := testproc.Start(t, "leasing", path)
	p.Expect("leased")
	ctx, cancel := context.WithTimeout(bg, 50*time.Millisecond)
	defer cancel()
	_, err := lockedfile.Read(ctx, path)
	want(t, err, filelock.ErrLocked)
	want(t, err, context.DeadlineExceeded)
	done := make(chan error, 1)
	go func() { done <- openAndClose(lockedfile.Edit(bg, path)) }()
	must(t, unix.Mkfifo(path+"2", 0o666))
	must(t, os.Rename(path+"2", path))
	select {
	case err := <-done:
		want(t, err, fs.ErrInvalid)
	case <-time.After(30 * time.Second):
		t.Error("a named pipe is waited for")
	}
}

// leasing is a process that has a lease of the file at a path, and does not give
// it back.
func leasing(args []string) error {
	signal.Ignore(syscall.SIGIO)
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return err
	}
	fmt.Println("leased")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
