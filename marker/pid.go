package marker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/gofilelock/filelock/internal/mark"
)

// placePID makes the file, which says nothing for an instant: that reads as held.
func placePID(path string) (mark.Marker, error) {
	own, err := mark.CreateCommon(path, 0o644, fmt.Appendln(nil, os.Getpid()))
	if errors.Is(err, mark.ErrChanged) {
		err = fs.ErrExist // it has just been taken away
	}
	if err != nil {
		return nil, err
	}
	return own, nil
}

// parseLine returns the process id that the first line says, or 0. A line that
// has no end may not be all of it.
func parseLine(said string) int {
	line, _, whole := strings.Cut(said, "\n")
	if !whole || len(said) > mostSaid {
		return 0
	}
	return parsePID(strings.TrimSpace(line))
}
