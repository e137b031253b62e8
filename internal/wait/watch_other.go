//go:build !linux

package wait

import (
	"context"
	"errors"
	"time"
)

// A Watch does not exist here.
type Watch struct{}

// What could be watched for.
const (
	Vanishing uint32 = iota
	Unlocking
	Arriving
)

// NewWatch fails: there are no events here.
func NewWatch(path string, mask uint32) (*Watch, error) { return nil, errors.ErrUnsupported }

// Await is never called.
func (w *Watch) Await(context.Context, time.Duration) (Event, error) { return 0, nil }

// Look is never called.
func (w *Watch) Look() Event { return 0 }

func (w *Watch) endsWith(int) {}

// Close is never called.
func (w *Watch) Close() {}
