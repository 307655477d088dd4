package natsbroker

import (
	"cmp"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
)

// Options of a connection to NATS. The zero value of each field is its default.
type Options struct {
	// Namespace keeps brokers on one NATS account apart: all nodes of one service have the same, no other service has it. It names the stream and is
	// the first token of every subject. 1 to 32 letters, digits, "_" and "-". If empty, "wsrouter". A service of several routers has one for each, with a Broker
	// of its own on each node: routers with the same share rooms and users.
	Namespace string
	// Replicas of the stream in a NATS cluster, 1 to 5. If zero, those of a stream that is there, as with the limits below, or 1.
	Replicas int
	// Messages kept over all topics, of which those to one topic that left together (Linger) count as one. If zero, 1,000,000. Negative: no limit.
	Messages int
	// Bytes kept over all topics, as the server counts them: data, topics and about 200 bytes for each message. The server sets them aside on its disk. If
	// zero, 1 GiB; at least 4 KiB. Negative: no limit.
	Bytes int
	// Age is how long a message is kept. If zero, 1 h. Negative: no limit.
	Age time.Duration
	// Linger is how long Publish waits at most, so that messages of a busy process leave together: this costs half the CPU where hundreds are published a
	// second. Nobody waits while this process publishes fewer than 100 a second, nor where waiting slows down those who publish: if they come to less than half as many, it ends
	// for 0.8 s, and if that happens again for twice as long, up to 12.8 s. Nor does who publishes one message right after the other, but for the first, nor whose context ends
	// within twice that time, nor who gives an ID. But who does other work between its messages waits at each, beside many others that publish: some 25 messages a second of one
	// goroutine. If zero, 40 ms; at most 1 s. Negative: nobody waits.
	Linger time.Duration
	// NATS are options of the connection: credentials, TLS, the connection's name. What says how to reconnect, and the handlers of the
	// connection's state, belong to the broker and are overwritten.
	NATS []nats.Option
	// Logger is told what an operator should know: at most one line a minute of each kind. If nil, slog.Default().
	Logger *slog.Logger
}

const leastBytes = 4 << 10

var namespaces = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	f.Namespace = cmp.Or(f.Namespace, "wsrouter")
	f.Replicas = cmp.Or(f.Replicas, 1)
	f.Messages = unlimited(cmp.Or(f.Messages, 1_000_000))
	f.Bytes = unlimited(cmp.Or(f.Bytes, 1<<30))
	f.Age = max(cmp.Or(f.Age, time.Hour), 0) // 0 is the server's word for no limit
	f.Linger = cmp.Or(f.Linger, 40*time.Millisecond)
	if f.Logger == nil {
		f.Logger = slog.Default()
	}
	switch {
	case !namespaces.MatchString(f.Namespace):
		return f, fmt.Errorf("natsbroker: namespace %q: only 1 to 32 letters, digits, _ and -", f.Namespace)
	case f.Replicas < 1 || f.Replicas > 5:
		return f, fmt.Errorf("natsbroker: %d replicas: only 1 to 5", f.Replicas)
	case f.Linger > time.Second:
		return f, fmt.Errorf("natsbroker: linger of %v: at most 1s", f.Linger)
	case f.Bytes > 0 && f.Bytes < leastBytes:
		return f, fmt.Errorf("natsbroker: %d bytes: at least %d", f.Bytes, leastBytes)
	case f.Age > 0 && f.Age < 100*time.Millisecond:
		return f, fmt.Errorf("natsbroker: age of %v: at least 100ms", f.Age)
	}
	return f, nil
}

func unlimited(n int) int { return max(n, -1) } // -1 is the server's word for no limit
