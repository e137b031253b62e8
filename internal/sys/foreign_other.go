//go:build !unix

package sys

import "io/fs"

// Foreign reports nothing: no directories are known that everybody uses.
func Foreign(string, fs.FileInfo) bool { return false }

// Shared reports nothing, likewise.
func Shared(string, fs.FileInfo) bool { return false }
