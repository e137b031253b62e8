package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// events finds out whether this side hears by inotify(7) what the other does.
func (p *prober) events() Check {
	const name = "inotify"
	if got := p.a.ask("make watched"); got != "ok" {
		return unknown(name, got)
	}
	defer p.a.ask("remove watched")
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return unknown(name, err.Error())
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	const wanted = unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE_SELF
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(p.dir, "watched"), wanted); err != nil {
		return unknown(name, err.Error())
	}
	var heard, missed []string
	for _, e := range []struct {
		name, ask string
		mask      uint32
	}{
		{"close", "touch watched", unix.IN_CLOSE_WRITE},
		{"attrib", "link watched watched-too", unix.IN_ATTRIB},
		{"unlink", "remove watched", unix.IN_ATTRIB | unix.IN_DELETE_SELF},
	} {
		if got := p.b.ask(e.ask); got != "ok" {
			return unknown(name, got)
		}
		if hears(f, e.mask) {
			heard = append(heard, e.name)
		} else {
			missed = append(missed, e.name)
		}
	}
	p.a.ask("remove watched-too")
	if missed != nil {
		return Check{name, No, fmt.Sprintf("not heard of the other side: %s", strings.Join(missed, ", "))}
	}
	return Check{name, Yes, "hears the other side's " + strings.Join(heard, ", ")}
}

// hears reports whether an event of the mask comes within a second.
func hears(f *os.File, mask uint32) bool {
	f.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		if err != nil {
			if errors.Is(err, unix.EINTR) {
				continue
			}
			return false
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
			if event.Mask&mask != 0 {
				return true
			}
			b = b[min(len(b), unix.SizeofInotifyEvent+int(event.Len)):]
		}
	}
}
