// Package strace tests what becomes of locks when system calls fail, take their
// time, or are the last thing that a process does. strace(1) sees to that, one
// call after another, in processes that know nothing of it.
package strace
