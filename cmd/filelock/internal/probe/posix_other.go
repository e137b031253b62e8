//go:build !linux && !darwin && !freebsd

package probe

import "github.com/gofilelock/filelock/internal/sys"

func lockProcess(string, bool) (unlock func() error, err error) { return nil, sys.ErrNoLocks }
