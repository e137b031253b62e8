package locktest

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/gofilelock/filelock/internal/testproc"
)

// What a program can let others do with a file that it has open.
const (
	ShareNothing = 0
	ShareReading = windows.FILE_SHARE_READ
	ShareUsual   = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE // but removing it
	ShareAll     = ShareUsual | windows.FILE_SHARE_DELETE
)

// OpenRole is the role of the processes that [OpenElsewhere] starts.
const OpenRole = "have open"

// HaveOpen is a program that has a file open, as a scanner or an editor does.
// Its arguments are the path and what it lets others do.
func HaveOpen(args []string) error {
	share, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(args[0])
	if err != nil {
		return err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, uint32(share), nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return err
	}
	fmt.Println("open")
	bufio.NewScanner(os.Stdin).Scan()
	return windows.CloseHandle(h)
}

// OpenElsewhere has a process have a file open until it is killed.
func OpenElsewhere(t testing.TB, path string, share uint32) *testproc.Proc {
	t.Helper()
	p := testproc.Start(t, OpenRole, path, fmt.Sprint(share))
	p.Expect("open")
	return p
}
