//go:build !linux

package main

import (
	"errors"
	"time"
)

// The benchmarks build here, so that vet sees them, and refuse to run.

const supported = false

func systemClock() int64                 { return 0 }
func cpuTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
func threads() (int, error)              { return 0, errors.ErrUnsupported }
func openFiles() (int, error)            { return 0, errors.ErrUnsupported }
func sharedWord(string) (*uint64, error) { return nil, errors.ErrUnsupported }
func machine() string                    { return "" }
func systemKinds() []kind                { return nil }
