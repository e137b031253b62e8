// Package hostile tests what somebody who may write in a directory can do to
// those who lock there: another user, in a process of its own, lays traps at the
// names that locks have, as fast as it can, while others use them.
package hostile
