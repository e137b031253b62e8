package lease

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

// qualified is this machine's name, once it is known.
var qualified struct {
	sync.Mutex // held while it is looked up, which takes lookupTime at most
	name       string
}

const lookupTime = 2 * time.Second

// fqdn is Python's socket.getfqdn: of the names that the address of this host has
// the first one with a dot, else the first one, else the host's own.
func fqdn(ctx context.Context) (string, error) {
	qualified.Lock()
	defer qualified.Unlock()
	if qualified.name != "" {
		return qualified.name, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	name := fullName(namesOf(limited, host), host)
	if err := ctx.Err(); err != nil {
		return "", err // the caller's time was too short to know
	}
	qualified.name = name
	return name, nil
}

func namesOf(ctx context.Context, host string) []string {
	// C's resolver returns one name only.
	r := net.Resolver{PreferGo: runtime.GOOS != "windows"}
	addresses, err := r.LookupHost(ctx, host)
	if err != nil {
		return nil
	}
	names, _ := r.LookupAddr(ctx, addresses[0])
	return names
}

func fullName(names []string, host string) string {
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, ".")
		if strings.Contains(names[i], ".") {
			return names[i]
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return host
}
