package wsconn

import (
	"encoding/binary"
	"slices"
)

const (
	minCost   = 16       // of a queued message: empty ones are not free
	maxShared = 512      // a shorter frame of a broadcast that has to wait is copied, which takes less than to note where it is
	maxCopies = 16 << 10 // copied frames that lie together
)

// outgoing is a queued frame. Frames that the outbox has copied lie together, as many as its capacity holds, and count one by one: an
// allocation for each would cost small messages several times what they count for.
type outgoing struct {
	frame  []byte
	latest string
	name   string
}

// cost is what a frame of n bytes counts for.
func cost(n int) int { return max(n, minCost) }

// copyInto copies the frame of m behind that of o, if there is room and one entry can stand for both.
func (o *outgoing) copyInto(m outgoing) bool {
	if o.latest != "" || o.name != m.name || cap(o.frame)-len(o.frame) < len(m.frame) {
		return false
	}
	o.frame = append(o.frame, m.frame...)
	return true
}

// frameLen is the length of the frame that p begins with, which is one of ours.
func frameLen(p []byte) int {
	switch n := p[1] & 0x7f; n {
	case 126:
		return 4 + int(binary.BigEndian.Uint16(p[2:]))
	case 127:
		return 10 + int(binary.BigEndian.Uint64(p[2:]))
	default:
		return 2 + int(n)
	}
}

// drops are what an outbox has dropped.
type drops struct {
	all, before uint64   // before: when the episode began
	episode     bool     // until the outbox is empty
	begun       bool     // the episode is to be told
	names       []string // to be told
}

// Below, the caller holds out.mu.

// discard empties the queue.
func (s *Socket) discard() {
	w := s.out.w
	s.out.one = nil
	if w == nil {
		return
	}
	for w.head < len(w.queue) {
		s.pop()
	}
	w.wake()
}

// enqueue queues m, whose frame is copied if the caller keeps it, or does what d and the overflow policy say. full: there must be room first.
func (s *Socket) enqueue(m outgoing, d Delivery, keeps bool) (full bool, err error) {
	o, w := &s.out, s.hold()
	if m.latest != "" && s.replace(m, keeps) {
		return false, nil
	}
	n := cost(len(m.frame))
	for !d.Whole && !s.fits(n) {
		switch policy := s.shard.loop.Overflow; {
		case d.Drop || policy == OverflowDropNewest:
			s.dropped(m)
			return false, ErrDropped
		case policy == OverflowClose || policy == OverflowWait && d.NoWait:
			o.shut = true
			o.acts |= actFull
			s.discard()
			return false, ErrClosed
		case policy == OverflowWait:
			return true, nil
		case w.head == len(w.queue): // all that is left is on its way
			s.dropped(m)
			return false, ErrDropped
		default:
			s.dropped(s.pop())
		}
	}
	s.count(n)
	if copies := keeps || o.blocked && len(m.frame) <= maxShared; !copies {
		m.frame = slices.Clip(m.frame)
	} else if m.latest == "" && w.head < len(w.queue) && w.queue[len(w.queue)-1].copyInto(m) {
		s.shard.count.sent.Add(1)
		return false, nil
	} else {
		m.frame = append(s.space(m), m.frame...)
	}
	if w.head > len(w.queue)/2 {
		w.compact()
	}
	if m.latest != "" {
		if w.latest == nil {
			w.latest = map[string]uint64{}
		}
		w.latest[m.latest] = w.number + uint64(len(w.queue))
	}
	s.push(m)
	s.shard.count.sent.Add(1)
	return false, nil
}

// push appends m to the queue, whose bytes the caller has counted.
func (s *Socket) push(m outgoing) { s.out.w.queue = append(s.out.w.queue, m) }

// space returns room for a copy of m's frame, and of those behind it if they are small: the more the more waits already.
func (s *Socket) space(m outgoing) []byte {
	n := min(s.out.w.bytes, maxCopies, max(s.shard.loop.Outbox/16, minBuffer))
	if m.latest != "" || n < 4*len(m.frame) {
		n = len(m.frame)
	}
	return slices.Grow([]byte(nil), n)
}

// replace puts m in the place of the queued message that it replaces, if there is one.
func (s *Socket) replace(m outgoing, keeps bool) bool {
	w := s.out.w
	number, ok := w.latest[m.latest]
	if !ok {
		return false
	}
	old := &w.queue[number-w.number]
	more := cost(len(m.frame)) - cost(len(old.frame))
	if more > 0 && !s.fits(more) {
		return false
	}
	if keeps {
		m.frame = append([]byte(nil), m.frame...)
	}
	s.count(more)
	old.frame = m.frame
	s.shard.count.sent.Add(1)
	s.shard.count.replaced.Add(1)
	return true
}

// fits reports whether n more bytes may wait. What is on its way counts until all of it has left, because it is kept until then. A message over the limit is taken when nothing waits.
func (s *Socket) fits(n int) bool {
	waits := s.out.w.all()
	return waits <= 0 || waits+n <= s.shard.loop.Outbox
}

// all is how many bytes wait.
func (w *waiting) all() int {
	n := w.bytes + len(w.big)
	if w.wire != nil {
		n += len(w.wire.B)
	}
	return n
}

// count adds n bytes to what the queue counts for.
func (s *Socket) count(n int) {
	s.out.w.bytes += n
	if all := s.shard.loop.Counters.buffered.Add(int64(n)); n > 0 && s.shard.loop.MaxBuffered > 0 && all > s.shard.loop.MaxBuffered {
		s.out.acts |= actShed
	}
}

// front is the frame at the head of the queue, which is not empty.
func (w *waiting) front() []byte {
	p := w.queue[w.head].frame
	return p[:frameLen(p)]
}

// pop removes it and returns what it was.
func (s *Socket) pop() outgoing {
	w := s.out.w
	m := w.queue[w.head]
	n := frameLen(m.frame)
	s.count(-cost(n))
	if n < len(m.frame) {
		w.queue[w.head].frame = m.frame[n:]
		m.frame = m.frame[:n]
		return m
	}
	if m.latest != "" && w.latest[m.latest] == w.number+uint64(w.head) {
		delete(w.latest, m.latest)
	}
	w.queue[w.head] = outgoing{}
	w.head++
	if w.head == len(w.queue) {
		w.number += uint64(w.head)
		w.queue, w.head = w.queue[:0], 0
	}
	return m
}

// compact makes use of the room before head, so that a queue that never empties does not grow.
func (w *waiting) compact() {
	n := copy(w.queue, w.queue[w.head:])
	clear(w.queue[n:])
	w.number += uint64(w.head)
	w.queue, w.head = w.queue[:n], 0
}

// dropped counts m, which is dropped.
func (s *Socket) dropped(m outgoing) {
	o := &s.out
	d := &o.makeRare().drops
	if !d.episode {
		d.episode, d.begun, d.before = true, true, d.all
		o.acts |= actDrop
	}
	if s.shard.loop.EachDrop {
		d.names = append(d.names, m.name)
		o.acts |= actDrop
	}
	d.all++
	s.shard.count.dropped.Add(1)
}

// take returns what is to be told.
func (d *drops) take() Drops {
	told := Drops{Begin: d.begun, Before: d.before, Names: d.names}
	d.begun, d.names = false, nil
	return told
}
