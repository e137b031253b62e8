// Package flock is flock(1): the command line of util-linux 2.38, the statuses
// and the messages, and --fcntl of 2.41.
//
// It opens files as flock(1) does, which follows symbolic links and leaves
// files as they are, and it waits in the kernel. So it stands in one queue with
// all others who block in flock(2), of whom it can be any, and the lock is the
// child's as much as its own: it is never unlocked, but ends with the last
// process that has the file open.
//
// # What is different
//
// Another user's file in a sticky directory, which may not be opened to create
// it, is opened. With --verbose a conflict names who has the lock, on a line of its own on
// standard error. With --no-fork the messages of --verbose come in any case.
// Messages are in English, and numbers have a decimal point. The standard
// descriptors that are closed are /dev/null for the command. Ignored signals
// stay ignored in the command only if they are SIGHUP or SIGINT.
package flock
