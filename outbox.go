package wsrouter

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/wsrouter-go/wsrouter/internal/wsconn"
)

// outgoing is one encoded message. A broadcast's receivers share data, so nobody changes it.
type outgoing struct {
	data   []byte
	binary bool
}

// outbox queues what a connection is to send. One goroutine at a time writes: it starts with the first message and
// ends with the last.
type outbox struct {
	socket   *wsconn.Socket
	limit    int
	overflow Overflow
	log      func() *slog.Logger

	mu       sync.Mutex
	queue    []outgoing // those before head are gone
	head     int
	bytes    int           // queued and being written
	writing  bool          // a goroutine runs flush
	shut     bool          // nothing more is taken
	farewell *closeError   // sent behind the queue
	room     chan struct{} // closed and renewed when bytes get fewer; nil: nobody waits
	dropped  uint64        // since the connection began
	episode  uint64        // dropped since the outbox was last empty
	warn     bool          // an episode has begun and is not logged
}

// cost is what o counts for: its bytes, but empty messages are not free.
func (o outgoing) cost() int { return max(len(o.data), minCost) }

const minCost = 16

// errOverflow says that the outbox is full and the policy is to close.
var errOverflow = errors.New("wsrouter: outbox full")

// push queues o or does what the overflow policy says.
func (b *outbox) push(ctx context.Context, o outgoing) error {
	b.mu.Lock()
	defer b.unlock()
	for !b.shut && !b.fits(o.cost()) {
		switch b.overflow {
		case OverflowClose:
			b.shut = true
			b.discard()
			return errOverflow
		case OverflowDropNewest:
			b.drop(1)
			return ErrDropped
		case OverflowDropOldest:
			if b.head == len(b.queue) { // all that is left is being written
				b.drop(1)
				return ErrDropped
			}
			b.bytes -= b.pop().cost()
			b.drop(1)
		case OverflowWait:
			if err := b.wait(ctx); err != nil {
				return err
			}
		}
	}
	if b.shut {
		return ErrClosed
	}
	if b.head > len(b.queue)/2 {
		b.compact()
	}
	b.queue = append(b.queue, o)
	b.bytes += o.cost()
	b.start()
	return nil
}

// fits reports whether n more bytes may wait. A message over the limit is taken when nothing waits.
func (b *outbox) fits(n int) bool { return b.bytes == 0 || b.bytes+n <= b.limit }

// wait blocks until there may be room. The caller holds mu, which is free meanwhile.
func (b *outbox) wait(ctx context.Context) error {
	if b.room == nil {
		b.room = make(chan struct{})
	}
	room := b.room
	b.mu.Unlock()
	defer b.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wake lets waiters look again. The caller holds mu.
func (b *outbox) wake() {
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

// unlock logs that an episode of drops has begun, if one has. It does so without mu: a log may itself be sent over a connection.
func (b *outbox) unlock() {
	warn, before := b.warn, b.dropped-b.episode
	b.warn = false
	b.mu.Unlock()
	if warn {
		b.log().Warn("wsrouter: messages dropped, the peer reads too slowly", "outbox", b.limit, "dropped_before", before)
	}
}

// drop counts n dropped messages. The caller holds mu.
func (b *outbox) drop(n uint64) {
	b.warn = b.warn || b.episode == 0
	b.dropped += n
	b.episode += n
}

// discard empties the queue. The caller holds mu.
func (b *outbox) discard() {
	for b.head < len(b.queue) {
		b.bytes -= b.pop().cost()
	}
	b.queue, b.head = nil, 0
	b.wake()
}

// pop takes the head of the queue, which is not empty. The caller holds mu.
func (b *outbox) pop() outgoing {
	o := b.queue[b.head]
	b.queue[b.head] = outgoing{}
	b.head++
	return o
}

// compact makes use of the room before head, so that a queue that never empties does not grow. The caller holds mu.
func (b *outbox) compact() {
	n := copy(b.queue, b.queue[b.head:])
	clear(b.queue[n:])
	b.queue, b.head = b.queue[:n], 0
}

// close queues a close frame behind everything else.
func (b *outbox) close(code int, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	b.farewell = &closeError{code, reason}
	b.wake()
	b.start()
}

// end discards what is queued: the connection is gone.
func (b *outbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
	b.farewell = nil
	b.discard()
}

// start runs flush unless it runs. The caller holds mu.
func (b *outbox) start() {
	if !b.writing {
		b.writing = true
		go b.flush()
	}
}

// flush writes until nothing is queued.
func (b *outbox) flush() {
	for {
		o, farewell, ok := b.next()
		switch {
		case !ok:
			return
		case farewell != nil:
			b.socket.Close(farewell.code, farewell.reason)
		default:
			if b.socket.Write(o.data, o.binary) != nil {
				b.end() // the socket tells the connection why
			}
			b.wrote(o.cost())
		}
	}
}

// next takes the head of the queue, then the close frame; if there is neither, writing is over.
func (b *outbox) next() (o outgoing, farewell *closeError, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.head < len(b.queue) {
		return b.pop(), nil, true
	}
	if farewell = b.farewell; farewell != nil {
		b.farewell = nil
		return outgoing{}, farewell, true
	}
	b.writing, b.episode = false, 0
	b.queue, b.head = b.queue[:0], 0
	if cap(b.queue) > keptQueue {
		b.queue = nil
	}
	return outgoing{}, nil, false
}

// keptQueue is how many messages an idle connection keeps room for.
const keptQueue = 8

// wrote makes room for as many bytes as were written.
func (b *outbox) wrote(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= n
	b.wake()
}
