//go:build !unix

package main

import "os"

// isTerminal is not known: there are no colours.
func isTerminal(*os.File) bool { return false }
