package main

import (
	"bytes"
	"os"
	"os/user"
	"strconv"

	"github.com/gofilelock/filelock/internal/procid"
)

// userOf returns the name of the user that the process pid acts for, or the
// number if there is no name, or nothing if it is not known.
func userOf(pid int) string {
	if !procid.ProcIsOurs() {
		return ""
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(status) {
		ids, ok := bytes.CutPrefix(line, []byte("Uid:"))
		if fields := bytes.Fields(ids); ok && len(fields) > 1 { // real, effective, ...
			return userNamed(string(fields[1]))
		}
	}
	return ""
}

func userNamed(id string) string {
	u, err := user.LookupId(id)
	if err != nil {
		return id
	}
	return procid.Printable(u.Username)
}
