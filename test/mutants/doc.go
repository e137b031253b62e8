// Package mutants tests the tests: it switches off the measures that keep the
// locks safe, one at a time, and expects tests to fail.
//
// A mutant is an edit of the source, which go test -overlay puts in the place of
// a file, so nothing of it is in the product. It names the tests that are to
// catch it. One whose place in the source is no longer there, or which does not
// compile, is an error: measures are not forgotten here when they move.
//
//	go test ./mutants                          a few
//	FILELOCK_KILLS=100 go test ./mutants       those that are caught soon
//	FILELOCK_MUTANTS=all go test -timeout 1h -v ./mutants
//
// In the place of all there may be an expression that the measures match. With -v
// it prints which test has caught which.
package mutants
