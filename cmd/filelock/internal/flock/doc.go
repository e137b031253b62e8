// Package flock is flock(1): the command line of util-linux 2.38, its statuses
// and messages, and --fcntl of 2.41.
//
// It opens files as flock(1) does, which follows symbolic links and leaves
// files as they are, and waits in the kernel, in one queue with all others who
// block in flock(2). The lock is the command's as much as its own: it is never
// unlocked, but ends with the last process that has the file open.
//
// # What is different
//
// Some things are better: another user's file in a sticky directory, which may
// not be opened to create it, is opened all the same. With --verbose a conflict
// also names who has the lock, in a line of its own on standard error. With
// --no-fork the messages of --verbose are not lost.
//
// Some are not to be had: messages are in English, and numbers have a decimal
// point. Standard descriptors that are closed are /dev/null for the command. Of
// the signals that were ignored, flock and the command ignore SIGHUP, SIGINT and
// the terminal's; package runtime loses the rest. It does not start with less than
// 1 GB of address space (ulimit -v).
package flock
