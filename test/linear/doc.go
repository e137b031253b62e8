// Package linear records what real processes do with locks, and has Porcupine
// look for an order in which it could have happened one after the other.
//
// Each process writes down its calls and their returns, at once and with the time
// of a clock that all processes share. They are killed and stopped at random. A
// call without a return, of one that was killed, may have come to pass or not;
// its process's holds end with it, or stay until they are broken, as the kind of
// lock has it.
//
// # What the model demands
//
// Whoever acquires is alone, or among those who share. Owners nest, and what is
// shared does not become exclusive. What fails has no effect then or later. Break
// ends the hold that was inspected and no other, and its holder is told by its
// Release. A lease is nobody else's before it has ended and the slop is over, nor is
// it lost before that, and who was stopped for so long that it is another's cannot
// renew it, and is told when it tries and when it releases it. Tokens rise.
//
// A try that fails has seen a hold of somebody else. In the end, the lock is free.
//
// # Where it is weaker, as what is promised is
//
// A try may also fail if another goroutine of its own process is ahead in the
// queue, and if somebody else is about to remove what a dead holder has left behind.
// Where markers are broken, or take two steps to make, or are leases, one who is
// acquiring may be seen to have the lock for an instant, and lose it before it is a
// hold: it begins anew, or fails. Where the file is removed, who gives back a shared
// hold excludes everybody for an instant. memory refuses whoever tries as long as somebody
// waits. A limited wait may end without success whoever had the lock. A holder may be
// seen as unknown. Who breaks a PID file that said nothing when it was inspected may end
// the hold that has become of it.
//
// That a lease is renewed in time is not demanded, since a busy machine stops
// processes too; nor when the context of a hold is told of its loss, but that this is
// never taken back.
package linear
