// Package faultfs tests the locks on a file system that fails: one that shows a
// directory, by way of FUSE, and answers what it is told to with an error.
package faultfs
