//go:build !unix && !windows

package sys

import (
	"errors"
	"os"
)

const directory = 0

var notSymlink = errors.ErrUnsupported

func rmdir(path string) error { return os.Remove(path) }

func symlink(target, path string) error { return ErrNoNames }

func nameError(err error) error { return err }

func immutable(string) bool { return false }

func busy(err error) error { return err }
