//go:build !linux

package holders

import "github.com/gofilelock/filelock/internal/sys"

// List fails: see [ErrUnknown].
func List(sys.ID, Kind) ([]Lock, error) { return nil, ErrUnknown }
