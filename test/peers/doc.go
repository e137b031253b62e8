// Package peers tests that the locks of this project exclude those of other
// programs on the same files, and are excluded by them: real programs, in
// processes of their own.
package peers
