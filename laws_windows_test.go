package filelock_test

import "golang.org/x/sys/windows"

const noSuchLocks = windows.ERROR_NOT_SUPPORTED

const noSuchNames = windows.ERROR_NOT_SUPPORTED
