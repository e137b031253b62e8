// Package containers tests locks between processes that do not mean the same by
// a process id, a host's name, a boot or a user: in namespaces of the kernel,
// over a folder that they share.
package containers
