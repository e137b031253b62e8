//go:build unix && !aix

package flock

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gofilelock/filelock/cmd/filelock/internal/getopt"
)

// FuzzCommand: a command line is understood to be one that can be followed, or
// refused by one of the errors that there are.
func FuzzCommand(f *testing.F) {
	for _, line := range []string{
		"-w 5 x true", "-w nan x", "-w -nan x", "-w 0x1.8 x", "-w 1e999 x", "-w -1e999 x", "-w 9.3e12 x", "-E 255 -n x",
		"-E 4294967296 x", "-E 99999999999999999999 x", "-E \v7 9", "-xsuoF --verbose x -c y", "--timeout=.5e-3 x", "-w _1 x",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var s settings
		_, err := s.command().Parse(strings.Split(line, " "))
		if err != nil {
			var failed *failure
			var misuse *getopt.Error
			if !errors.As(err, &failed) && !errors.As(err, &misuse) && !errors.Is(err, errVersion) && !errors.Is(err, errUnsaid) && !errors.Is(err, getopt.ErrHelp) {
				t.Errorf("%q: %v", line, err)
			}
			return
		}
		if s.status < 0 || s.status > 255 {
			t.Errorf("%q: the exit status is %d", line, s.status)
		}
		before := time.Now()
		end, err := s.deadline()
		switch {
		case s.timeout == nil:
			if err != nil || !end.IsZero() {
				t.Errorf("%q: until %v, %v", line, end, err)
			}
		case math.IsNaN(*s.timeout) || *s.timeout <= -1:
			if err == nil {
				t.Errorf("%q: until %v", line, end)
			}
		case !end.IsZero() && end.Before(before):
			t.Errorf("%q: until %v", line, end)
		}
	})
}
