// Package soak has processes use all kinds of locks at once, in every way there
// is, while they are killed, stopped and started again at random: no two ever
// have a lock, and those who live through it all stay as small as they were.
//
// It goes on for FILELOCK_SECONDS. FILELOCK_SEED repeats the choices of a run,
// though not the moments at which they take effect.
package soak
