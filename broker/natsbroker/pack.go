package natsbroker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/pack"
)

// What waits to be published to a topic ([Options].Linger) leaves as one message of the stream, a pack. The id of a pack ends with how many are in it.
const (
	mostPacked  = 256      // as many positions belong to each message of the stream
	packedBytes = 64 << 10 // of a pack of several, at most
	sizeRoom    = 3        // bytes that say how long one is
	packMark    = "+"      // before the number in the id; no other id of this package has it
)

// A bundle is a pack that is published: it waits for others, then for the server's answer. It is published whatever becomes of those who wait for it.
type bundle struct {
	publication
	b     *Broker
	sizes []int // of what stands in data
	until time.Time
	own   bool // somebody has no deadline but Publish's own
	left  sync.Once

	mu    sync.Mutex
	call  *call
	timer *time.Timer // when an answer is late

	done chan struct{}   // closed when it is known what came of it:
	at   broker.Position // of the last one
	err  error
}

// bundles that wait, by topic.
type bundles struct {
	mu      sync.Mutex
	waiting map[string]*bundle
}

// gather publishes m in a bundle.
func (b *Broker) gather(ctx context.Context, m publication) (broker.Position, error) {
	p, i := b.bundle(ctx, m)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.leave() // before what is published next
		return broker.Position{}, outcome(true, ctx.Err())
	}
	if p.err != nil {
		return broker.Position{}, p.err
	}
	at := p.at
	at.Seq -= uint64(len(p.sizes) - 1 - i)
	return at, nil
}

// bundle puts m into the bundle that waits for its topic, and returns its place there.
func (b *Broker) bundle(ctx context.Context, m publication) (p *bundle, i int) {
	b.bundles.mu.Lock()
	defer b.bundles.mu.Unlock()
	p = b.bundles.waiting[m.topic]
	if p == nil || !p.fits(m) {
		p = &bundle{b: b, publication: m, done: make(chan struct{})}
		p.data = nil
		b.bundles.waiting[m.topic] = p
		b.publishing.Add(1) // beside that of its first
		b.linger.Next(p.leave)
	}
	p.data = append(p.data, m.data...)
	p.sizes = append(p.sizes, len(m.data))
	if deadline, ok := ctx.Deadline(); !ok {
		p.own = true
	} else if deadline.After(p.until) {
		p.until = deadline
	}
	return p, len(p.sizes) - 1
}

// fits: m may join p.
func (p *bundle) fits(m publication) bool {
	n := len(p.sizes) + 1
	size := len(p.data) + len(m.data) + n*sizeRoom
	return n <= mostPacked && size <= packedBytes && int64(size+len(p.id)+headerRoom) <= p.b.nc.MaxPayload()
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
	if n := len(p.sizes); n > 1 {
		p.id += packMark + strconv.Itoa(n)
		p.data = pack.Append(nil, p.sizes, p.data)
	}
	if own := time.Now().Add(publishTimeout); p.own && own.After(p.until) { // from now on: a process that was stopped while it waited has its time all the same
		p.until = own
	}
	if up, _, _ := b.state.now(); !up {
		p.finish(broker.Position{}, broker.ErrUnavailable)
		return
	}
	p.in = b.life.Load()
	m := p.publication // p's is whoever's that ends the call
	c, t := p.begin()
	if err := b.send(&m, c); err != nil && b.requests.end(c) {
		t.Stop()
		p.conclude(pubAck{}, err)
	}
}

func (p *bundle) begin() (*call, *time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.call = p.b.requests.begin(false, p.answered)
	p.timer = time.AfterFunc(ackTimeout, p.unanswered)
	return p.call, p.timer
}

func (p *bundle) begun() (*call, *time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.call, p.timer
}

func (p *bundle) answered() {
	c, t := p.begun()
	t.Stop()
	p.conclude(p.b.readAck(c))
}

func (p *bundle) unanswered() {
	if c, _ := p.begun(); p.b.requests.end(c) {
		p.b.keep.check()
		p.conclude(pubAck{}, errNoWord)
	}
}

// conclude tells what came of p, or has it sent again.
func (p *bundle) conclude(ack pubAck, err error) {
	at, over, failure := p.b.conclude(&p.publication, ack, err)
	if over {
		p.finish(at, failure)
		return
	}
	go func() {
		ctx, cancel := context.WithDeadline(context.Background(), p.until)
		defer cancel()
		if !errors.Is(err, errNoWord) {
			sleep(ctx, retryPause)
		}
		p.finish(p.b.publish(ctx, &p.publication))
	}()
}

func (p *bundle) finish(at broker.Position, err error) {
	p.at, p.err = at, err
	close(p.done)
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
