package hostile

import (
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

// deadPID is the number of no process: the system gives out none that high.
const deadPID = math.MaxInt32 - 7

func host() string {
	name, _ := os.Hostname()
	return name
}

// deadRecord is what the marker of a soft lock says whose holder is certainly
// dead.
func deadRecord() string { return recordOf(deadPID, "1", host()) }

// recordOf is a marker of this system's processes.
func recordOf(pid int, start, host string) string {
	return string(record.AppendMarker(nil, record.Marker{
		ID: procid.ID{PID: pid, Start: start, Space: procid.Self().Space}, Host: host, Nonce: 11,
	}))
}

// deadName is the unique name of one of lockfile's markers whose holder is dead.
func deadName() string {
	return fmt.Sprintf("%s-%x.%d-11", host(), procid.Self().Space, deadPID)
}

// escapes is text that a terminal would obey: it changes colours, the title, the
// direction of what follows, and begins lines.
const escapes = "\x1b[31m\x1b]0;owned\x07\u009b2J\r\n\u202e\x7f\x00\u2028end"

// forgeries are records that no honest process writes.
func forgeries(pid int) []string {
	all := []string{
		deadRecord(), deadName(), escapes, strings.Repeat(escapes, 200), "\x00", strings.Repeat("\x00", 2000), "\n\n\n\n", " \t",
		recordOf(1, "1", host()), recordOf(pid, "1", host()), recordOf(pid, "", host()), recordOf(pid, "", "elsewhere"),
		recordOf(pid, strings.Repeat("9", 400), host()),
		fmt.Sprintf("%d\n%s\n", deadPID, host()), // py-filelock's
		fmt.Sprintf("%d\n", deadPID), fmt.Sprintf("%d", pid), fmt.Sprintf("%d\n", pid),
		fmt.Sprintf("/x.lock|%s|%d|5", host(), deadPID), fmt.Sprintf("../../outside/victim/x.lock|%s|1|5", host()),
		fmt.Sprintf("/x.lock|%s|%d|18446744073709551615", escapes, pid),
	}
	for _, number := range []string{"-1", "0", "-9223372036854775808", "9223372036854775807", "9223372036854775808", "4294967297", "18446744073709551617", "1e3", "+5", "0x10", "५"} {
		all = append(all,
			fmt.Sprintf("%s\n%s\n1\n", number, host()), number+"\n", fmt.Sprintf("/x.lock|%s|%s|5", host(), number),
			fmt.Sprintf("%d\n%s\n%s\n", deadPID, host(), number), fmt.Sprintf("%020s\n", number),
		)
	}
	return all
}
