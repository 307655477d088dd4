package natsbroker

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
)

// arrivals is how many messages wait for a shard; beyond, the connection drops them and the stream is read.
var arrivals = 8192

const (
	mostAtOnce = 256      // messages that arrive before handlers are called
	mostHeld   = 4096     // messages of a shard that wait for others to be read before them; beyond, they are dropped and read too
	heldBytes  = 16 << 20 // of them
	mostTries  = 10       // to read what a message says was before it
	lookAfter  = 250      // milliseconds in which a message that the stream has may still arrive
	firstPause = 20       // milliseconds
)

// shard delivers the messages of its topics.
type shard struct {
	b       *Broker
	arrived chan *nats.Msg
	wake    chan struct{} // has a value while somebody may be due

	mu     sync.Mutex // of all below, and of its topics
	life   *life
	topics map[string]*topic // by the subject that they are delivered on
	peak   int               // the most that topics has held
	due    []*subscriber     // take batches, and have something to be called with

	held, heldBytes int
}

// topic is one that is subscribed.
type topic struct {
	name    string
	shard   *shard
	subs    []*subscriber
	waiting []*subscriber // for the join
	standing
}

// standing of a topic in an epoch.
type standing struct {
	live string // subject
	sub  *nats.Subscription

	at      uint64 // everything up to there was delivered, or told to be lost
	last    uint64 // message that was delivered, 0: none
	since   proof  // what at was found under
	joining bool   // has no subscription yet
	again   bool   // joins anew, in another epoch
	queued  bool   // to be joined

	filling bool     // is being read
	behind  bool     // something held was dropped
	tries   int      // to read what is before the first that is held
	held    []record // wait for what is being read

	swept      uint64 // the last sweep that includes it
	sweptSince proof  // what will have been lost when it is over
}

// proof is how much the connection has lost. While that does not change, everything behind arrives: a server on its own loses nothing else.
type proof struct {
	dials   uint64
	dropped int
	alone   bool // the server is in no cluster, whose servers can lose each other, and has refused no subscription
}

// proof is that of the connection, without what is dropped for a topic.
func (b *Broker) proof() proof {
	dials, c := b.dials.Load(), b.conn.Load()
	return proof{dials: dials, alone: c.alone.Load() && c.refusal.Load() == nil}
}

// now is the proof that would hold if everything was read now.
func (t *topic) now(p proof) proof {
	p.dropped, _ = t.sub.Dropped()
	return p
}

// unbroken: all that was published behind at has arrived or will.
func (t *topic) unbroken() bool { return t.since.alone && t.since == t.now(t.shard.b.proof()) }

func newShard(b *Broker) *shard {
	return &shard{b: b, arrived: make(chan *nats.Msg, arrivals), wake: make(chan struct{}, 1), life: b.life.Load(), topics: map[string]*topic{}}
}

func (s *shard) run() {
	for {
		select {
		case m := <-s.arrived:
			s.mu.Lock()
			s.arrive(m)
			for range min(len(s.arrived), mostAtOnce-1) {
				s.arrive(<-s.arrived)
			}
			s.mu.Unlock()
		case <-s.wake:
		case <-s.b.ctx.Done():
			s.deliver() // nothing more, but says so
			return
		}
		s.deliver()
	}
}

// deliver calls the handlers of those that take batches.
func (s *shard) deliver() {
	s.mu.Lock()
	due := s.due
	s.due = nil
	s.mu.Unlock()
	for _, sub := range due {
		sub.deliver()
	}
}

// do runs f with mu held.
func (s *shard) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if len(s.due) > 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Below, the caller holds mu.

func (s *shard) arrive(m *nats.Msg) {
	t := s.topics[m.Subject]
	if t == nil {
		return // unsubscribed, or of another epoch
	}
	rec, err := parse(s.b.o.Namespace, m)
	if in := s.life.in + strings.TrimPrefix(t.live, s.life.out); err != nil || rec.subject != in {
		s.b.stats.malformed.Add(1)
		s.b.log.say(malformed, "natsbroker: a message on a live subject is not one of the stream: dropped", "subject", m.Subject, "error", err)
		return
	}
	t.receive(rec)
}

// receive takes what has arrived live.
func (t *topic) receive(rec record) {
	switch {
	case t.joining || t.filling || len(t.held) > 0:
		t.hold(rec)
	case rec.seq <= t.at:
		t.shard.b.stats.repeated.Add(1)
		t.shard.b.keep.suspect() // rare, unless at is not what the stream says
	case t.follows(rec):
		t.deliver(rec)
	default:
		t.shard.b.stats.gaps.Add(1)
		t.hold(rec)
		t.fill()
	}
}

// follows: it is known that the topic has no message between at and rec. Where rec is the first that the stream has of the topic, an
// earlier one may have been there and gone, which only a connection without a break excludes.
func (t *topic) follows(rec record) bool {
	return rec.last != 0 && rec.last <= t.at || rec.seq == t.at+1 || rec.last == 0 && t.unbroken()
}

func (t *topic) hold(rec record) {
	s := t.shard
	if s.held >= mostHeld || s.heldBytes+len(rec.data) > heldBytes {
		t.behind = true
		return
	}
	s.held++
	s.heldBytes += len(rec.data)
	t.held = append(t.held, rec)
}

// unhold forgets the first n that are held.
func (t *topic) unhold(n int) {
	for _, rec := range t.held[:n] {
		t.shard.held--
		t.shard.heldBytes -= len(rec.data)
	}
	t.held = slices.Delete(t.held, 0, n)
	if len(t.held) == 0 {
		t.held = nil
	}
}

// position of at.
func (t *topic) position() broker.Position { return t.shard.life.position(t.at) }

// read delivers what was read from the stream and not received. What it says of the message before it is the answer's.
func (t *topic) read(rec record) {
	rec.last = t.last
	t.shard.b.stats.filled.Add(1)
	t.deliver(rec)
}

func (t *topic) deliver(rec record) {
	t.at, t.last = rec.seq, rec.seq
	t.shard.life.see(rec.seq)
	t.shard.life.recent.Store(&rec.subject)
	t.tell(rec.unpack(t.shard.life, t.name, rec.last*mostPacked)...)
}

// lose tells that messages between at and seq are, or may be, gone.
func (t *topic) lose(seq uint64) {
	t.at = max(t.at, seq)
	t.shard.b.stats.losses.Add(1)
	t.tell(broker.Message{Topic: t.name, Position: t.position(), Lost: true})
}

func (t *topic) tell(list ...broker.Message) {
	for _, s := range t.subs {
		s.push(list...)
	}
}

// fill has read what is between at and what is held; a sweep does that too, if one is due.
func (t *topic) fill() {
	if t.filling || t.joining || t.shard.b.keep.sweepDue() {
		return
	}
	t.filling = true
	t.shard.b.fills.add(fillRequest{t: t, life: t.shard.life, live: t.live, after: t.at, proof: t.now(t.shard.b.proof())})
}

// filled takes what was read. first is the first sequence that the stream had afterwards, p what had been lost when it was asked for.
func (t *topic) filled(recs []record, more bool, first uint64, p proof) {
	t.filling = false
	if first > t.at+1 {
		lost := first - 1
		if len(recs) > 0 {
			lost = min(lost, recs[0].seq-1)
		}
		if lost > t.at {
			t.lose(lost)
		}
	}
	for _, rec := range recs {
		if rec.seq > t.at {
			t.read(rec)
		}
	}
	if more {
		t.fill()
		return
	}
	t.since = p
	t.release(first)
}

// release delivers what is held, as far as it is known to follow. first as in filled, 0 if it is not known.
func (t *topic) release(first uint64) {
	n := 0
	for ; n < len(t.held); n++ {
		rec := t.held[n]
		if rec.seq <= t.at {
			continue
		}
		if !t.follows(rec) && !(rec.last == 0 && first != 0 && first <= t.at+1) {
			break
		}
		t.deliver(rec)
		t.tries = 0
	}
	t.unhold(n)
	switch {
	case len(t.held) > 0:
		t.retry()
	case t.behind:
		t.behind = false
		t.fill()
	}
}

// retry reads again: the server that was asked may be behind the one that published. It has mostTries to show what it said was there.
func (t *topic) retry() {
	t.tries++
	if t.tries > mostTries {
		t.tries = 0
		t.lose(t.held[0].last)
		t.release(0)
		return
	}
	if t.tries == 1 {
		t.fill()
		return
	}
	live, s := t.live, t.shard
	s.b.after(firstPause*t.tries, func() {
		s.do(func() {
			if s.topics[live] == t && len(t.held) > 0 {
				t.fill()
			}
		})
	})
}

// forget removes t, and gives memory back, which a map does not.
func (s *shard) forget(t *topic) {
	s.peak = max(s.peak, len(s.topics))
	delete(s.topics, t.live)
	s.b.stats.topics.Add(-1)
	if s.peak > 64 && len(s.topics) < s.peak/4 {
		s.topics = maps.Collect(maps.All(s.topics))
		s.peak = len(s.topics)
	}
}
