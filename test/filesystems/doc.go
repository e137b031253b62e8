// Package filesystems has every kind of lock work on real file systems, each of
// which is mounted for the test: those of disks, in memory, of layers, of
// programs, and such as are read-only, full, out of inodes or over their quota.
//
// What was measured there stands in docs/guarantees.md. It is written anew by
//
//	go generate ./filesystems
//
// in the directory test, and the tests fail if it does not say what they find.
// They need root and Linux, and run in a mount namespace of their own, so that
// nothing of them is left in the system, however they end.
package filesystems

//go:generate go test -count=1 -run ^TestGuaranteesSayWhatIsMeasured$ . -args -write
