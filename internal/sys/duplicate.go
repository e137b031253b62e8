//go:build unix || windows

package sys

import (
	"os"

	"github.com/gofilelock/filelock/internal/fault"
)

// Duplicate returns a second descriptor of the open file f. The two share one
// set of locks.
func Duplicate(f *os.File) (dup File, err error) {
	err = withFD(f, func(fd uintptr) (err error) {
		dup, err = fileOf(fd).dup(f.Name())
		return err
	})
	return dup, err
}

func (f File) dup(name string) (dup File, err error) {
	err = call(fault.Dup, name, func() (err error) {
		dup, err = f.duplicate()
		return err
	})
	return dup, err
}

// InfoOf describes the open file f.
func InfoOf(f *os.File) (info Info, err error) {
	err = withFD(f, func(fd uintptr) (err error) {
		info, err = fileOf(fd).Info()
		return err
	})
	return info, err
}

// withFD lends the descriptor of f. It fails with [os.ErrClosed] if there is
// none.
func withFD(f *os.File, use func(fd uintptr) error) (err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if conn.Control(func(fd uintptr) { err = use(fd) }) != nil {
		return os.ErrClosed
	}
	return err
}

// OSFile returns a duplicate of f, for use by others. Closing it, or losing it
// to the garbage collector, leaves f and its locks alone.
func (f File) OSFile(name string) (*os.File, error) {
	dup, err := f.dup(name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(dup.number(), name), nil
}
