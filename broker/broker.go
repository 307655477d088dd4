package broker

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrUnknownOutcome: a message was sent to the broker and nothing says whether it was taken. It arrives once or never. To publish it
	// again under the same [PublishOptions].ID is safe while the broker remembers it.
	ErrUnknownOutcome = errors.New("broker: outcome of publish unknown")
	// ErrUnavailable: the broker cannot be reached, and nothing was sent.
	ErrUnavailable = errors.New("broker: unavailable")
	// ErrOverrun: what was asked for is no longer, or cannot be shown to be, in the history.
	ErrOverrun = errors.New("broker: history overrun")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("broker: closed")
)

// A Position is a place in the messages of a topic. The zero value is before everything.
type Position struct {
	// Epoch names one life of the broker's sequence: sequences of different epochs cannot be compared.
	Epoch string
	// Seq grows from message to message of a topic, not always by one: topics may share a sequence.
	Seq uint64
	// Prev is the Seq of the topic's message before this one, 0 if there is none or, where nobody subscribed, none that is known any more. It belongs to a
	// delivered Message only.
	Prev uint64
}

// A Message is one that was published, or word of a loss.
type Message struct {
	Topic, ID string
	// Data may be kept and must not be changed.
	Data []byte
	Position
	// Lost: messages of the topic between the one delivered before and this one are gone for this subscriber. A Message with Lost and without Data is no
	// message, only word of that: what is delivered next comes after its Position.
	Lost bool
}

// PublishOptions of one message.
type PublishOptions struct {
	// ID tells a message from its repetitions: while history has the first one, Publish returns its place and delivers no other. Different messages
	// need different IDs, over all topics. If empty, the broker makes one.
	ID string
}

// A Broker carries messages on topics. Topics are bytes, of at least one and at most 1,024; each that differs in a byte is another, and
// there is nothing to create or delete. Its methods are safe from any goroutine.
type Broker interface {
	// Publish returns when the broker has accepted data, with its place (Epoch and Seq), or fails with ErrUnknownOutcome, ErrUnavailable,
	// ErrClosed or, if nothing was sent yet, ctx's error. Calls of one goroutine keep their order,
	// but that one with an unknown outcome may arrive after later ones. data may be changed after the return.
	Publish(ctx context.Context, topic string, data []byte, o PublishOptions) (Position, error)
	// Subscribe calls h for every message after the position that it returns, one at a time, in order, each once, those published through this broker as
	// those of others. h must not block for long, nor call unsubscribe and wait for it. Where messages are lost, h is told by Message.Lost, at
	// the latest when the broker can be reached again. A topic may have several subscribers. When unsubscribe has returned, h is not called any more;
	// to call it again does nothing.
	Subscribe(ctx context.Context, topic string, h func(Message)) (at Position, unsubscribe func() error, err error)
	// Close ends the subscriptions and lets go of what the broker holds, and waits until ctx is done for subscribers that run. To call it again only waits.
	Close(ctx context.Context) error
}

// A Historian is a Broker that keeps messages for a while.
type Historian interface {
	// History returns the topic's messages after since, oldest first, at most limit; limit 0: all. It fails with ErrOverrun if since is of another
	// epoch or was not reached yet, if it is not known that nothing in between is missing, or if there are more than limit.
	History(ctx context.Context, topic string, since Position, limit int) ([]Message, error)
}

// A Recaller is a [Historian] that finds the newest messages without reading all that there are.
type Recaller interface {
	Historian
	// Recall returns the topic's newest messages before a position, or of all if that is zero, oldest first: at most limit, of at most so many bytes of
	// Data together, but one at least if there is one. None between the first and the last of them is missing, and none after that whose Publish had
	// returned before Recall was called. more: there may be others before them; else the history goes back no further. limit and bytes are
	// positive. It fails with ErrOverrun if before is of another epoch.
	Recall(ctx context.Context, topic string, before Position, limit, bytes int) (messages []Message, more bool, err error)
}

// A Batcher is a Broker that hands over messages without a goroutine for each subscriber, several at a time where they come quickly.
type Batcher interface {
	// SubscribeBatches is Subscribe for an h that is called with all messages that wait for it, at least one, and that never blocks, nor waits for anything
	// that the Broker does: the goroutine that calls it serves other topics too. The slice is h's.
	SubscribeBatches(ctx context.Context, topic string, h func([]Message)) (at Position, unsubscribe func() error, err error)
}

// A Stateful Broker tells how it is.
type Stateful interface {
	// Notify calls f with the present state before it returns, and at each change, one call at a time. f must not call Notify or Close.
	Notify(f func(State))
}

// State of a broker.
type State int

const (
	// Up: it can be reached.
	Up State = iota
	// Down: it cannot. Publish fails at once with ErrUnavailable; subscriptions go on by themselves afterwards.
	Down
	// EpochChanged: it can be reached again and has lost its history. Subscribers hear of a loss. The state is Up.
	EpochChanged
)

// Options of the in-process broker. The zero value of each field is its default.
type Options struct {
	// Messages kept over all topics. If zero, 100,000. Negative: none.
	Messages int
	// Bytes kept over all topics, of data, topics and IDs. If zero, 64 MiB. Negative: none.
	Bytes int
	// Age is how long a message is kept. If zero, 1 h. Negative: no limit.
	Age time.Duration
}
