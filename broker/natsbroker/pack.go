package natsbroker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/pack"
)

// What waits to be published to a topic ([Options].Linger) leaves as one message of the stream, a pack. The id of a pack ends with how many are in it.
const (
	mostPacked  = 256      // as many positions belong to each message of the stream
	packedBytes = 64 << 10 // of a pack of several, at most
	leastPacks  = 16       // that the stream has room for: it keeps and forgets them whole
	sizeRoom    = 3        // bytes that say how long one is
	packMark    = "+"      // before the number in the id; no other id of this package has it
)

// A bundle is a pack that is published: it waits for others, then for the server's answer. It leaves whatever becomes of those who wait for it, and is sent again
// for as long as somebody does.
type bundle struct {
	publication
	b       *Broker
	waiters int
	sizes   []int           // of what stands in bodies
	bodies  []byte          // messages
	until   time.Time       // the last deadline of those who wait, or
	own     bool            // somebody has none but Publish's own
	ctx     context.Context // ends when nobody waits
	cancel  context.CancelFunc
	left    sync.Once

	mu    sync.Mutex
	call  *call
	timer *time.Timer // when an answer is late

	late chan struct{} // closed when it has not been known for as long as Publish waits by itself
	done chan struct{} // closed when it is known what came of it:
	each []published
}

// published is what came of a message.
type published struct {
	at  broker.Position
	err error
}

// bundles that wait for others, by topic.
type bundles struct {
	mu      sync.Mutex // also of how many wait for each
	waiting map[string]*bundle
}

// gather publishes m in a bundle.
func (b *Broker) gather(ctx context.Context, m publication) (broker.Position, error) {
	p, i := b.bundle(ctx, m)
	var late chan struct{}
	if _, ok := ctx.Deadline(); !ok {
		late = p.late
	}
	err := context.DeadlineExceeded
	select {
	case <-p.done:
		return p.each[i].at, p.each[i].err
	case <-late:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.leave() // before what is published next
	p.desert()
	return broker.Position{}, outcome(true, err)
}

// bundle puts m into the bundle that waits for its topic, and returns its place there.
func (b *Broker) bundle(ctx context.Context, m publication) (p *bundle, i int) {
	b.bundles.mu.Lock()
	defer b.bundles.mu.Unlock()
	p = b.bundles.waiting[m.topic]
	if p == nil || !p.fits(m) {
		p = &bundle{b: b, publication: publication{topic: m.topic, id: m.id}, late: make(chan struct{}), done: make(chan struct{})}
		p.ctx, p.cancel = context.WithCancel(context.Background())
		b.bundles.waiting[m.topic] = p
		b.publishing.Add(1) // beside that of its first
		b.linger.Next(p.leave)
	}
	p.bodies = append(p.bodies, m.data...)
	p.sizes = append(p.sizes, len(m.data))
	p.waiters++
	if deadline, ok := ctx.Deadline(); !ok {
		p.own = true
	} else if deadline.After(p.until) {
		p.until = deadline
	}
	return p, len(p.sizes) - 1
}

// desert is called by who does not wait any more, when p has left.
func (p *bundle) desert() {
	p.b.bundles.mu.Lock()
	defer p.b.bundles.mu.Unlock()
	if p.waiters--; p.waiters == 0 {
		p.cancel()
	}
}

// fits: m may join p.
func (p *bundle) fits(m publication) bool {
	n := len(p.sizes) + 1
	size := len(p.bodies) + len(m.data) + n*sizeRoom
	most := packedBytes
	if kept := p.b.o.Bytes; kept > 0 {
		most = min(most, kept/leastPacks)
	}
	return n <= mostPacked && size <= most && int64(size+len(p.id)+headerRoom) <= p.b.conn.Load().payload.Load()
}

// leave sends p, once, which nobody joins any more.
func (p *bundle) leave() { p.left.Do(p.send) }

func (p *bundle) send() {
	b := p.b
	b.bundles.mu.Lock()
	if b.bundles.waiting[p.topic] == p {
		delete(b.bundles.waiting, p.topic)
	}
	b.bundles.mu.Unlock()
	p.data = p.bodies
	if n := len(p.sizes); n > 1 {
		p.id += packMark + strconv.Itoa(n)
		p.data = pack.Append(nil, p.sizes, p.bodies)
	}
	p.begun = time.Now() // a process that was stopped while it waited has its time all the same
	if up, _, _ := b.state.now(); !up {
		p.finish(published{err: broker.ErrUnavailable})
		return
	}
	p.in = b.life.Load()
	m := p.publication // p's is whoever's that ends the call
	c, t := p.ask()
	if err := b.send(&m, c); err != nil && b.requests.end(c) {
		t.Stop()
		p.conclude(pubAck{}, err)
	}
}

// ask begins the question whether the server has p.
func (p *bundle) ask() (*call, *time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.call = p.b.requests.begin(false, p.answered)
	p.timer = time.AfterFunc(ackTimeout, p.unanswered)
	return p.call, p.timer
}

func (p *bundle) asked() (*call, *time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call, p.timer
}

func (p *bundle) answered() {
	c, t := p.asked()
	t.Stop()
	p.conclude(p.b.readAck(c))
}

func (p *bundle) unanswered() {
	if c, _ := p.asked(); p.b.requests.end(c) {
		p.b.keep.check()
		p.conclude(pubAck{}, errNoWord)
	}
}

// conclude tells what came of p, or has it sent again.
func (p *bundle) conclude(ack pubAck, err error) {
	at, over, failure := p.b.conclude(&p.publication, ack, err)
	if over && !p.refused(failure) {
		p.finish(published{at, failure})
		return
	}
	go func() {
		deadline := p.until
		if own := p.begun.Add(publishTimeout); p.own {
			defer time.AfterFunc(time.Until(own), func() { close(p.late) }).Stop()
			if own.After(deadline) {
				deadline = own
			}
		}
		ctx, cancel := context.WithDeadline(p.ctx, deadline)
		defer cancel()
		if !over {
			sleep(ctx, retryPause)
			at, failure = p.b.publish(ctx, &p.publication)
		}
		if p.refused(failure) {
			p.single(ctx)
		} else {
			p.finish(published{at, failure})
		}
	}()
}

// refused: the server takes no such message, but may take those in it.
func (p *bundle) refused(err error) bool {
	return len(p.sizes) > 1 && !errors.Is(err, broker.ErrUnknownOutcome) && (errors.Is(err, errRefused) || errors.Is(err, nats.ErrMaxPayload))
}

// single publishes one message after the other.
func (p *bundle) single(ctx context.Context) {
	var each []published
	rest := p.bodies
	for _, n := range p.sizes {
		at, err := p.b.publish(ctx, &publication{topic: p.topic, id: p.b.newID(), data: rest[:n]})
		each, rest = append(each, published{at, err}), rest[n:]
	}
	p.finish(each...)
}

// finish says what came of each message, or of all together.
func (p *bundle) finish(each ...published) {
	if all, n := each[0], len(p.sizes); len(each) < n {
		each = make([]published, n)
		for i := range each {
			if each[i] = all; all.err == nil {
				each[i].at.Seq -= uint64(n - 1 - i)
			}
		}
	}
	p.each = each
	close(p.done)
	p.cancel()
	p.b.publishing.Done()
}

// position of what is the stream's message seq, the last one if it is a pack: the others have the positions before it.
func (l *life) position(seq uint64) broker.Position {
	return broker.Position{Epoch: l.epoch, Seq: seq * mostPacked}
}

// whole is the last message of the stream that is not after a position, with all that is in it.
func whole(at uint64) uint64 { return at / mostPacked }

// holds is the message of the stream that a position lies in.
func holds(at uint64) uint64 { return at/mostPacked + min(at%mostPacked, 1) }

// unpack returns the messages of rec. prev is the position before it.
func (rec *record) unpack(l *life, topic string, prev uint64) []broker.Message {
	id, at := messageID(rec.id), l.position(rec.seq)
	packed := rec.packed()
	if packed == nil {
		at.Prev = prev
		return []broker.Message{{Topic: topic, ID: id, Data: rec.data, Position: at}}
	}
	list := make([]broker.Message, len(packed))
	at.Seq -= uint64(len(packed) - 1)
	for i, data := range packed {
		at.Prev = prev
		list[i] = broker.Message{Topic: topic, ID: id + "." + strconv.Itoa(i), Data: data, Position: at}
		prev = at.Seq
		at.Seq++
	}
	return list
}

// packed returns the messages of a pack, nil if rec is none: then it is whatever somebody has published.
func (rec *record) packed() [][]byte {
	_, number, ok := strings.Cut(rec.id, packMark)
	if !ok || isForeign(rec.id) {
		return nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 2 || n > mostPacked {
		return nil
	}
	messages, ok := pack.Split(rec.data, n)
	if !ok {
		return nil
	}
	return messages
}
