package mark

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofilelock/filelock/internal/sys"
	"github.com/gofilelock/filelock/internal/wait"
)

// patience bounds the wait for others who are at a marker, as whoever breaks
// one is for an instant.
const patience = time.Second

// Persist does what may fail with [sys.ErrBusy], until it does not, or for a second.
// What has removed the marker is not done again, whatever else it came to.
func Persist(ctx context.Context, do func() (bool, error)) (removed bool, err error) {
	if removed, err = do(); removed || !errors.Is(err, sys.ErrBusy) {
		return removed, err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errWait := wait.New("", 0, 10*time.Millisecond, nil).Persevere(limited, sys.ErrBusy, func() error {
		if removed, err = do(); removed {
			return nil
		}
		return err
	})
	switch {
	case removed || !errors.Is(err, sys.ErrBusy):
		return removed, err
	case ctx.Err() != nil:
		return false, errWait
	}
	return false, fmt.Errorf("%w, for more than %s", err, patience)
}
