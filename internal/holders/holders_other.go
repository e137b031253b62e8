//go:build !linux

package holders

import "github.com/gofilelock/filelock/internal/sys"

// List fails: see [ErrUnknown].
func List(sys.ID, Kind) ([]Lock, error) { return nil, ErrUnknown }

// All fails likewise.
func All() ([]Entry, error) { return nil, ErrUnknown }

// Blocked returns nobody.
func Blocked(sys.ID, Kind) []int { return nil }

// Watching returns nobody.
func Watching(sys.ID) []int { return nil }
