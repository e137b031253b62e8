// Package script runs scripts against the program filelock. Those in flock are
// run against flock(1) too, with the same outcome of every call: they are the
// documentation of its behaviour.
//
// Beside the commands of [github.com/rogpeppe/go-internal/testscript], scripts
// have these:
//
//	gives STATUS PROGRAM [ARG...]       run it to its end; stdout and stderr look at what it printed
//	start NAME PROGRAM [ARG...]         run it in the background
//	says NAME LINE                      wait until it prints that line
//	signal NAME SIGNAL                  send it a signal
//	ends NAME STATUS                    close its input and wait for its end
//	hold [-s] [-p] FILE                 lock a file: shared, by a record lock
//	letgo FILE                          unlock it again
//	waiting FILE N                      wait until N processes are blocked on the lock of the file (Linux)
//
// A STATUS is a number, or the name of the signal that ended the program.
package script
