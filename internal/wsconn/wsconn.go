package wsconn

import (
	"errors"
	"fmt"
	"time"
)

// Config of a [Loop]. The caller has filled every field but those that say what zero means.
type Config struct {
	MaxMessage int // bytes; more is closed with 1009. Negative: no limit
	MaxFrames  int // of one message; more is closed with 1008. Negative: no limit
	ReadAhead  int // bytes of messages read beyond the one that Handler.Message is busy with

	PingInterval   time.Duration // of silence. Negative: never
	PongTimeout    time.Duration // for any sign of life behind a ping; no ping is sent meanwhile
	WriteTimeout   time.Duration // without progress
	MessageTimeout time.Duration // from the first byte of a message to its last. Negative: none
	CloseTimeout   time.Duration // how long a close frame of ours waits for the peer's

	Outbox      int // bytes that wait for one peer
	Overflow    Overflow
	MaxBuffered int64 // bytes that wait for all peers. Zero: no limit

	Compression *CompressionConfig // nil: permessage-deflate is never agreed on
	Rate        Rate
	MaxHandlers int  // that run at the same time. Zero: no limit
	Idle        bool // sockets wait without a goroutine, where that is possible

	Goodbye End // of Drain: its code and reason
	// Counters are shared by the loops of one router. If nil, the loop has its own.
	Counters *Counters
	// EachDrop: Handler.Dropped is called for every message that is dropped, not only for the first of an episode.
	EachDrop bool

	// Fault is told of a panic that is a mistake of this package or of a Handler, which must not let one through.
	Fault func(p any, stack []byte)
}

// Overflow says what happens when an outbox is full.
type Overflow uint8

const (
	OverflowClose      Overflow = iota // with 1013
	OverflowDropOldest                 // of what is queued
	OverflowDropNewest                 // the message itself
	OverflowWait                       // until there is room
)

// A Handler is what a socket's peer talks to. Its methods must not panic.
//
// Open, Message, Limited and Finish run one at a time and in order. They may block: meanwhile pings are answered and the
// end is seen. Ended and Dropped may be called while they run and must not block.
type Handler interface {
	// Open is called first.
	Open()
	// Message is called for each message. data is valid until it returns.
	Message(data []byte, binary bool)
	// Limited is called in place of Message for a message beyond Config.Rate.
	Limited(data []byte, binary bool)
	// Ended is called once, as soon as the end is seen or ours has begun.
	Ended(End)
	// Finish is called once, after Ended and with the same, when nothing else runs or will run.
	Finish(End)
	// Released is called last: Finish has returned and the connection is closed.
	Released()
	// Dropped is called when messages were dropped and that begins an episode, or for all under Config.EachDrop. An episode lasts
	// until the outbox is empty.
	Dropped(Drops)
}

// Drops are messages that were dropped because the peer reads too slowly.
type Drops struct {
	Begin  bool     // an episode
	Before uint64   // how many were dropped before it
	Names  []string // of the messages, as Delivery says, under Config.EachDrop
}

// End says how a connection ended.
type End struct {
	Code   int // 1005: none given, 1006: no close frame
	Reason string
	Remote bool  // the peer began it
	Err    error // cause, if it was no clean close
}

// Errors of Send and Queue.
var (
	ErrClosed  = errors.New("wsconn: closed")
	ErrDropped = errors.New("wsconn: dropped, the outbox is full")
)

const (
	statusNormal   = 1000
	statusProtocol = 1002
	statusNone     = 1005
	statusAbnormal = 1006
	statusNotUTF8  = 1007
	statusPolicy   = 1008
	statusTooBig   = 1009
	statusInternal = 1011
	statusTryLater = 1013
	statusExpired  = 4401
)

var (
	errInterrupted = errors.New("a handler did not return")
	errEndUnread   = errors.New("the peer ended it behind more messages than are read ahead")
)

func lost(doing string, err error) error {
	return fmt.Errorf("connection lost while %s: %w", doing, err)
}
