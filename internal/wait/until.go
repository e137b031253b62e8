package wait

import (
	"context"
	"errors"
	"time"
)

// Until gets a lock whose marker is at path by try, which fails with busy as long
// as somebody else has it. Longest is as in [New], holder as in [Wait.EndsWith];
// once is to try once.
func Until[G any](
	ctx context.Context, path string, longest time.Duration, once bool, busy error, holder func() (pid int), try func() (G, error),
) (g G, err error) {
	g, err = try()
	if once || !errors.Is(err, busy) {
		return g, err
	}
	w := New(path, Vanishing, longest, nil)
	w.EndsWith(holder)
	err = w.Persevere(ctx, busy, func() (err error) {
		g, err = try()
		return err
	})
	if err == nil {
		Heard(path) // somebody outside has had it
	}
	return g, err
}
