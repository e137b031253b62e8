package leftover

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/procid"
	"github.com/gofilelock/filelock/internal/record"
)

const claimSuffix = ".claim"

// isClaim reports whether a soft lock's claim can be called so.
func isClaim(name string) bool {
	name, ok := strings.CutSuffix(name, claimSuffix)
	if !ok || len(name) < 18 {
		return false
	}
	nonce := name[len(name)-17:]
	return nonce[0] == '.' && strings.Trim(nonce[1:], "0123456789abcdef") == ""
}

// soft finds the markers and the claims of soft locks whose holder is dead. A
// record without a start could be the content of another kind of lock's file.
func (c *candidate) soft() (*Leftover, error) {
	kind := "soft marker"
	if isClaim(c.name) {
		kind = "soft claim"
	}
	r, err := record.ParseMarker(c.evidence.Content)
	switch {
	case err != nil && isClaim(c.name):
		return c.found(kind, "it does not say whose it is", Doubtful), nil
	case err != nil:
		return nil, nil
	}
	who := fmt.Sprintf("pid %d", r.ID.PID)
	stated := r.ID.Start != "" || r.ID.Space != procid.Unstated
	if host, err := os.Hostname(); err != nil || r.Host != host || !r.ID.Here() {
		if !stated {
			return nil, nil
		}
		return c.found(kind, fmt.Sprintf("%s on %s cannot be judged from here", who, procid.Printable(r.Host)), Doubtful), nil
	}
	lock := filelock.NewSoft(c.path)
	s, err := lock.Inspect(context.Background())
	switch {
	case err != nil || !s.Stale:
		return nil, err
	case !stated:
		return c.found(kind, who+" has ended, but the text may be another program's", Doubtful), nil
	}
	return c.found(kind, who+" has ended", Certain).broken(lock, s), nil
}
