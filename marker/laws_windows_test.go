package marker_test

import (
	"testing"

	"golang.org/x/sys/windows"
)

const noSuchNames = windows.ERROR_NOT_SUPPORTED

func trap(t *testing.T, path string) { t.Skip("no such traps on Windows") }
