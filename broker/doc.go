// Package broker is the seam between rooms and what carries them from process to process.
//
// A [Broker] carries messages on topics. [New] makes one inside the process, for a program that runs once and for tests; package
// natsbroker, a module of its own, makes one of NATS, for any number of processes. Package brokertest is the contract of both as a test suite, and has
// a broker with faults for tests.
//
// # Positions
//
// Every message has a [Position] in its topic: an epoch and a number in it that grows. Whoever has heard a topic up to a position asks a
// [Historian] for what comes after it, and gets either all of it or [ErrOverrun]: never a part. A broker whose messages are gone begins a new epoch, so
// that an old position is never taken for one of the new numbers.
//
// # What is certain
//
// Publish returns nil: the message is in the broker, and every subscriber hears it once, in the order of the topic, or hears [Message].Lost.
// [ErrUnavailable]: it is nowhere. [ErrUnknownOutcome]: it is there or it is not; the same message under the same [PublishOptions].ID settles it.
//
// Subscribe returns the position that the subscription begins at. So what was before is asked of History, what comes after is heard, and
// nothing falls between.
package broker
