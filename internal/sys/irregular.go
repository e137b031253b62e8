package sys

import "io/fs"

// Irregular is the error for something at a lock's path that cannot be locked. It
// matches [fs.ErrInvalid].
type Irregular fs.FileMode

func (m Irregular) Error() string {
	what := "neither a file nor a directory"
	switch mode := fs.FileMode(m); {
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link, which is never followed"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	case mode.IsDir():
		what = "a directory"
	}
	return "there is " + what + " (use another path)"
}

func (Irregular) Is(target error) bool { return target == fs.ErrInvalid }
