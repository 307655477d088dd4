package wsconn

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/internal/testhook"
)

// maxWire is copied together to be one write.
const maxWire = 32 << 10

// corkedWire is what replies that are held back have room for at first.
const corkedWire = 4 << 10

// An outbox is the way out of a socket. What is sent goes straight to the network if nothing is before it. What the network does
// not take, and what is held back, waits: first the wire, which goes out next and as it is, behind it the queue, of which
// messages may be dropped or replaced.
type outbox struct {
	mu      sync.Mutex
	w       *waiting // nil: nothing waits, or one
	one     *Frame   // all that waits, queued for many and not flushed yet; nil: none
	blocked bool     // until the network takes more
	dirty   bool     // a Flush is to come
	shut    bool     // nothing more is taken
	said    bool     // bye is on its way
	acts    acts     // to be done without mu
	rare    *rare    // nil: nothing of it
}

// A rare is what an outbox has near its end, or when its peer is slow.
type rare struct {
	lost  *End // the network has failed, or was given up; nil: it works
	bye   *End // our close frame, sent behind the queue; nil: none
	drops drops
}

// makeRare returns the rare, of an outbox that may have had none.
func (o *outbox) makeRare() *rare {
	if o.rare == nil {
		o.rare = new(rare)
	}
	return o.rare
}

// waiting is what an outbox holds that is not empty.
type waiting struct {
	wire *Buffer // whole frames, but for what has left; nil: none
	big  []byte  // in place of wire, a frame that is not copied
	off  int     // bytes of wire or big that have left

	queue  []outgoing // those before head are gone
	head   int
	bytes  int               // that the queue counts for
	number uint64            // of queue[0]
	latest map[string]uint64 // numbers of those that may be replaced; nil: none

	ping, pong bool // control frames, sent before the queue
	payload    []byte

	room    chan struct{} // closed when bytes get fewer; nil: nobody waits for that
	stalled time.Duration // when the network last took something or began not to, in Loop.now
	moved   time.Duration // when it last took something. 0: it has not
}

var waitings = sync.Pool{New: func() any { return new(waiting) }}

// acts are what follows from a change of an outbox.
type acts uint8

const (
	actPump acts = 1 << iota // something must wait for the network
	actDrop                  // drops are to be told
	actFull                  // the outbox is full, and the policy is to close
	actDue                   // our close frame is on its way
	actSent                  // it has left
	actLost                  // the network has failed
	actShed                  // all outboxes together hold too much
)

// Send queues the message in b behind all that was sent before, or sends it. b remains the caller's. Errors: ErrClosed, ErrDropped,
// and ctx's, which bounds only the wait of OverflowWait.
func (s *Socket) Send(ctx context.Context, b *Buffer, isBinary bool, d Delivery) error {
	if s.parser.deflate.Sends(len(b.B) - HeaderRoom) {
		if deflated := b.deflate(); deflated != nil {
			defer deflated.free()
			return s.send(ctx, deflated.frame(first(isBinary)|rsv1), d)
		}
	}
	return s.send(ctx, b.frame(first(isBinary)), d)
}

// send is Send for a frame, which remains the caller's.
func (s *Socket) send(ctx context.Context, frame []byte, d Delivery) error {
	o := &s.out
	o.mu.Lock()
	if o.one != nil {
		s.hold()
	}
	for {
		large := len(frame) > maxWire
		switch {
		case o.shut:
			s.unlock()
			return ErrClosed
		case o.blocked || o.w == nil && large && !s.conn.direct():
			full, err := s.enqueue(outgoing{frame, d.Latest, d.Name}, d, true)
			if full {
				if err := s.wait(ctx); err != nil {
					return err
				}
				o.mu.Lock()
				continue
			}
			s.flushLocked()
			s.unlock()
			return err
		case o.w == nil && (!s.corked() || large) && s.conn.direct():
			s.shard.count.sent.Add(1)
			s.writeNow(frame)
			s.unlock()
			return nil
		case s.join(frame):
			if !s.corked() {
				s.flushLocked()
			}
			s.unlock()
			return nil
		default:
			s.flushLocked() // nothing waits afterwards, or the network takes no more
		}
	}
}

// Queue queues f as Send does, but sends nothing and does not wait: full says that it would have to. The caller owes a Flush if flush says
// so, also after an error, and may hold locks that a Handler takes, which Flush does not stand.
func (s *Socket) Queue(f *Frame, d Delivery) (flush, full bool, err error) {
	o := &s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return false, false, ErrClosed
	}
	if o.w == nil && o.one == nil && !s.corked() && !o.blocked && d.Latest == "" {
		o.one, o.dirty = f, true
		s.shard.count.sent.Add(1)
		return true, false, nil
	}
	full, err = s.enqueue(outgoing{f.of(s.parser.deflate), d.Latest, d.Name}, d, false)
	return s.owesFlush(), full, err
}

// owesFlush reports whether who has queued something owes a Flush, once. The caller holds mu.
func (s *Socket) owesFlush() bool {
	o := &s.out
	if !o.dirty && (o.acts != 0 || o.w != nil && !o.blocked && !s.corked()) {
		o.dirty = true
		return true
	}
	return false
}

// QueueAll is Queue for items that nobody waits with; all is their frames [Together]. The caller counts them by Queued, and guards it.
func (s *Socket) QueueAll(all *Frame, items []*Item) (flush bool) {
	o := &s.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil && o.one == nil && !s.corked() && !o.blocked && !o.shut && !s.shard.loop.EachDrop {
		o.one, o.dirty = all, true
		s.shard.count.sent.Add(uint64(len(items)))
		for _, it := range items {
			it.Queued++
		}
		return true
	}
	for _, it := range items {
		if o.shut {
			break
		}
		d := it.Delivery
		d.NoWait = true
		if _, err := s.enqueue(outgoing{it.Frame.of(s.parser.deflate), d.Latest, d.Name}, d, false); err == nil {
			it.Queued++
		}
	}
	return s.owesFlush()
}

// Waiting is how many bytes wait for the network.
func (s *Socket) Waiting() int {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if s.out.w == nil {
		return 0
	}
	return s.out.w.all()
}

// Wait returns when there may be room for more.
func (s *Socket) Wait(ctx context.Context) error {
	o := &s.out
	o.mu.Lock()
	if o.shut || o.w == nil {
		s.unlock()
		return nil
	}
	return s.wait(ctx)
}

// Flush sends what Queue has queued.
func (s *Socket) Flush() {
	s.out.mu.Lock()
	s.out.dirty = false
	if !s.corked() {
		s.flushLocked()
	}
	s.unlock()
}

// corked: what is sent is held back.
func (s *Socket) corked() bool { return s.corkedAt.Load() != 0 }

// cork begins to hold back what is sent.
func (s *Socket) cork() {
	now := int64(s.shard.loop.now())
	s.out.mu.Lock()
	s.corkedAt.Store(now)
	s.out.mu.Unlock()
}

// uncork sends what has been held back, and holds back nothing more.
func (s *Socket) uncork() {
	if !s.corked() {
		return
	}
	s.out.mu.Lock()
	if s.corkedAt.Swap(0) != 0 {
		s.flushLocked()
	}
	s.unlock()
}

// corkAnew sends what has been held back since at, and holds back what follows; not if somebody was quicker to uncork.
func (s *Socket) corkAnew(at, now int64) {
	s.out.mu.Lock()
	if s.corkedAt.CompareAndSwap(at, now) {
		s.flushLocked()
	}
	s.unlock()
}

// pong answers a ping. Of several that wait only the last is answered (RFC 6455, section 5.5.3).
func (s *Socket) pong(payload []byte) {
	s.out.mu.Lock()
	if !s.out.shut {
		switch w := s.hold(); {
		case s.corked() && !s.out.blocked && !w.pong && w.big == nil && w.head == len(w.queue) && (w.wire == nil || len(w.wire.B) < maxWire-maxControl):
			w.control(opPong, payload)
		default:
			w.pong, w.payload = true, append(w.payload[:0], payload...)
			if !s.corked() {
				s.flushLocked()
			}
		}
	}
	s.unlock()
}

// ping asks for a sign of life.
func (s *Socket) ping() {
	s.out.mu.Lock()
	if !s.out.shut {
		s.hold().ping = true
		s.flushLocked()
	}
	s.unlock()
}

// Below, the caller holds out.mu unless something else is said.

// hold returns what waits, which may be new.
func (s *Socket) hold() *waiting {
	o := &s.out
	if o.w == nil {
		o.w = waitings.Get().(*waiting)
		if f := o.one; f != nil {
			o.one = nil
			frame := f.of(s.parser.deflate)
			s.push(outgoing{frame: slices.Clip(frame)})
			s.count(f.costs(frame))
		}
	}
	return o.w
}

// writeNow writes a frame that nothing is before.
func (s *Socket) writeNow(frame []byte) {
	n, err := s.conn.write(frame)
	if err != nil {
		s.lose(err)
		return
	}
	s.shard.count.bytesOut.Add(uint64(n))
	if n < len(frame) {
		w := s.hold()
		w.wire = getBuffer(len(frame) - n)
		w.wire.B = append(w.wire.B, frame[n:]...)
		s.block()
	}
}

// block notes that the network takes no more for now.
func (s *Socket) block() {
	s.out.blocked = true
	s.set(flagSlow)
	s.out.w.stalled = s.shard.loop.now()
	s.out.acts |= actPump
}

// unblock notes that it does again.
func (s *Socket) unblock() {
	s.out.blocked = false
	s.flags.And(^uint32(flagSlow))
}

// join adds a frame to the wire, behind all that is queued. It reports false if that is too much for one write.
func (s *Socket) join(frame []byte) bool {
	w := s.hold()
	s.refill()
	if w.big != nil || w.head < len(w.queue) || w.wire != nil && len(w.wire.B)+len(frame) > maxWire {
		return false
	}
	if w.wire == nil && s.corked() {
		w.wire = getBuffer(corkedWire) // more will come
	}
	w.add(frame)
	s.shard.count.sent.Add(1)
	return true
}

// add appends a frame to the wire.
func (w *waiting) add(frame []byte) {
	if w.wire == nil {
		w.wire = getBuffer(len(frame))
	}
	w.wire = w.wire.grow(len(frame), getBuffer)
	w.wire.B = append(w.wire.B, frame...)
}

// refill moves what fits from the queue to the wire, which nobody is writing, and control frames before it.
func (s *Socket) refill() {
	w := s.out.w
	if w.big != nil {
		return
	}
	if w.pong {
		w.pong = false
		w.control(opPong, w.payload)
	}
	if w.ping {
		w.ping = false
		w.control(opPing, nil)
	}
	for w.head < len(w.queue) {
		frame := w.front()
		if w.wire != nil && len(w.wire.B)+len(frame) > maxWire {
			return
		}
		s.pop()
		if len(frame) > maxWire {
			w.big = frame
			return
		}
		w.add(frame)
	}
	if r := s.out.rare; r != nil && r.bye != nil && !s.out.said {
		s.out.said = true
		s.out.acts |= actDue
		var body [maxControl]byte
		w.control(opClose, r.bye.payload(body[:0]))
	}
}

// control adds a control frame to the wire.
func (w *waiting) control(op byte, payload []byte) {
	var frame [2 + maxControl]byte
	w.add(append(appendHeader(frame[:0], fin|op, len(payload)), payload...))
}

// chunk is what goes out next; empty if nothing waits.
func (s *Socket) chunk() []byte {
	s.refill()
	switch w := s.out.w; {
	case w.big != nil:
		return w.big[w.off:]
	case w.wire != nil:
		return w.wire.B[w.off:]
	}
	return nil
}

// wrote notes that n bytes of the chunk have left.
func (s *Socket) wrote(n int) {
	w := s.out.w
	s.shard.count.bytesOut.Add(uint64(n))
	w.off += n
	if n > 0 {
		w.stalled = s.shard.loop.now()
		w.moved = w.stalled
	}
	if w.big != nil && w.off < len(w.big) || w.wire != nil && w.off < len(w.wire.B) {
		return
	}
	w.wire.free()
	w.wire, w.big, w.off = nil, nil, 0
	if s.out.said {
		s.out.acts |= actSent
	}
	w.wake()
}

// emptied lets go of what waited, when all has left.
func (s *Socket) emptied() {
	w := s.out.w
	w.wake()
	queue, payload := w.queue[:0], w.payload[:0]
	if cap(queue) > keptQueue {
		queue = nil
	}
	*w = waiting{queue: queue, payload: payload}
	testhook.Freed(payload)
	waitings.Put(w)
	s.out.w = nil
	if s.out.rare != nil {
		s.out.rare.drops.episode = false
	}
}

// keptQueue is how many messages an empty outbox keeps room for.
const keptQueue = 64

// flushLocked sends what waits, until there is nothing or the network takes no more.
func (s *Socket) flushLocked() {
	o := &s.out
	if f := o.one; f != nil && s.conn.direct() {
		o.one = nil
		s.writeNow(f.of(s.parser.deflate))
		return
	} else if f != nil {
		s.hold()
	}
	if o.blocked || o.w == nil {
		return
	}
	for {
		chunk := s.chunk()
		switch {
		case len(chunk) == 0:
			s.emptied()
			return
		case !s.conn.direct():
			s.block()
			return
		}
		n, err := s.conn.write(chunk)
		if err != nil {
			s.lose(err)
			return
		}
		s.wrote(n)
		if n < len(chunk) {
			s.block()
			return
		}
	}
}

// writable goes on when the network takes more. The caller does not hold out.mu.
func (s *Socket) writable() {
	s.out.mu.Lock()
	if s.out.blocked {
		s.unblock()
		s.flushLocked()
	}
	s.unlock()
}

// pump writes what waits, at the pace of the network. It runs while the outbox is blocked, without out.mu, and alone touches the wire.
func (s *Socket) pump() {
	defer s.guard()
	o := &s.out
	o.mu.Lock()
	for !o.shutOff() {
		chunk := s.chunk()
		if len(chunk) == 0 {
			s.unblock()
			s.emptied()
			break
		}
		s.unlock()
		n, err := s.conn.writeSome(chunk)
		o.mu.Lock()
		if err != nil {
			s.lose(err)
			break
		}
		s.wrote(n)
	}
	s.unlock()
}

// shutOff reports whether the network has failed.
func (o *outbox) shutOff() bool { return o.w == nil || o.rare != nil && o.rare.lost != nil }

// lose notes that the network has failed.
func (s *Socket) lose(err error) {
	o := &s.out
	o.shut = true
	if r := o.makeRare(); r.lost == nil {
		r.lost = &End{Code: statusAbnormal, Err: lost("writing", err)}
		o.acts |= actLost
	}
	s.discard()
}

// wait blocks until there may be room, or there is no use in waiting. The caller holds out.mu and does not any more afterwards.
func (s *Socket) wait(ctx context.Context) error {
	w := s.out.w
	if w.room == nil {
		w.room = make(chan struct{})
	}
	room := w.room
	s.flushLocked() // whatever is held back: its reader may be who makes room
	s.unlock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wake lets waiters look again.
func (w *waiting) wake() {
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}

// unlock gives out.mu back and does what follows from what was done under it.
func (s *Socket) unlock() {
	o := &s.out
	todo := o.acts
	if todo == 0 {
		o.mu.Unlock()
		return
	}
	o.acts = 0
	r := o.rare
	var drops Drops
	if todo&actDrop != 0 {
		drops = r.drops.take()
	}
	o.mu.Unlock()
	if todo&actPump != 0 {
		s.conn.awaitWritable(s)
		s.schedule(s.shard.loop.now() + s.shard.loop.WriteTimeout)
	}
	if todo&actDrop != 0 {
		s.h.Dropped(drops)
	}
	if todo&actFull != 0 {
		s.fail(statusTryLater, fmt.Errorf("too slow: the outbox of %d bytes is full", s.shard.loop.Outbox))
	}
	if todo&actDue != 0 {
		s.finish(*r.bye)
	}
	if todo&actSent != 0 {
		s.closeSent()
	}
	if todo&actLost != 0 {
		s.finish(*r.lost)
		s.drop()
	}
	if todo&actShed != 0 {
		s.shard.loop.shed()
	}
}
