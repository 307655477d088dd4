// Package natsbroker carries the rooms of several processes over NATS JetStream.
//
//	b, err := natsbroker.Connect(ctx, "nats://nats.internal:4222", &natsbroker.Options{Namespace: "chat"})
//	r := wsrouter.New[Session](&wsrouter.Options{Broker: b})
//
// Any NATS server of version 2.11 or later with JetStream does (nats-server -js), or a cluster of them with [Options].Replicas 3. Package
// natsbroker/embedded starts one inside the process.
//
// # How it works
//
// A namespace has one stream in files, with limits of age, bytes and count for all topics together. A message to a topic is stored under
//
//	<namespace>.in.<epoch>.<topic in base64url>
//
// and, once stored, published by the server under <namespace>.out.… of the same, to which a node subscribes for each topic that it has a
// subscriber of. These are subscriptions of core NATS: no consumers of JetStream, whose filters cost seconds with thousands of topics. What core NATS
// may lose is found out and read from the stream, before anything later is delivered:
//   - Each message names the one of its topic before it. If that is not the last one delivered, what lies between is read.
//   - After a lost connection, and where messages came faster than they were taken, the stream is read once from the topic that is
//     farthest behind.
//   - Every 30 s, or sooner where the stream keeps messages for less than 4 min, the node asks for the last message of each topic.
//
// What the stream does not have any more, or cannot be shown to have, is a Message with Lost. So an acknowledged message arrives once, in the order of its
// topic, or its loss is told. A server on its own that is killed keeps what it acknowledged; one whose machine loses power may lose the
// last two minutes, unless it is told to sync each write (sync_interval: always). In a cluster the other replicas have it.
//
// # Epochs
//
// The epoch is a random name in the stream's metadata, made with the stream. If the stream comes back with fewer messages than were seen, the nodes
// set the next epoch, all of them the same one. It is part of every subject: a node that has not heard of a new epoch cannot publish into it, and hears
// nothing of it either, so that no position is ever of two epochs.
//
// # Publishing
//
// Each message has an id, the caller's or one that is the node's random name and a counter, and the server takes an id once in two minutes.
// Publish that gets no answer sends again under the same id, as long as ctx lasts and the server is sure to know the id (nine tenths of two minutes, or of [Options].Age if
// that is less), and after that says [broker.ErrUnknownOutcome]. While there is no
// connection nothing is kept for later: Publish fails with [broker.ErrUnavailable] at once. A dead connection without an end is found out in 3 s, or in 2 s if it
// takes nothing any more.
//
// Each message that comes alone wakes the server's goroutines and those of every node that hears it, which costs more than the message. So what a busy process
// publishes leaves together, at multiples of 40 ms of the clock ([Options].Linger), the same moments on all nodes. A Publish waits 20 ms longer on average then, and nobody
// waits where a process publishes fewer than 100 messages a second, or where those who publish wait for each other.
//
// What leaves together for one topic is one message of the stream, a pack: up to 256 messages and 64 KiB, or as much as the server takes. Its id ends with "+" and the
// number of messages, and its data are their lengths (unsigned varints), then they. So the Seq of a [broker.Position] is 256 times the sequence of the stream's message; in a
// pack it is that of the last one, which those before it count up to. The stream's limit of messages counts a pack as one, and it forgets one whole: a sixteenth of its bytes
// at most. What the server refuses as a pack is published by itself.
//
// # Who may do what
//
// A node needs to publish to <namespace>.in.> and $JS.API.>, and to subscribe to <namespace>.out.>, _INBOX.> and
// $JS.EVENT.ADVISORY.STREAM.*.<namespace>. Nobody but the server should be allowed to publish to <namespace>.out.>: what is not well formed there is
// dropped, counted and logged, but what looks like a message of the stream is taken for one.
package natsbroker
