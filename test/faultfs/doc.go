// Package faultfs tests the locks on a file system that fails, hangs or lies: one that
// shows a directory, by way of FUSE, and answers as it is told to.
package faultfs
