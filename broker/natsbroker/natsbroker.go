package natsbroker

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/broker/natsbroker/internal/linger"
)

const maxTopic = 1024

var newLinger = linger.New

// Broker is a connection to NATS. It implements [broker.Broker], [broker.Recaller], [broker.Stateful] and [broker.Batcher].
type Broker struct {
	o     Options // with all defaults
	named Options // without
	log   *minuteLog
	urls  string
	conn  atomic.Pointer[connection]
	dials atomic.Uint64 // of all connections
	infos infos
	life  atomic.Pointer[life]

	requests requests
	reads    chan struct{} // one for each that runs

	idPrefix string // of this node's messages
	ids      atomic.Uint64
	linger   *linger.Linger
	bundles  bundles

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	wg      sync.WaitGroup
	closing sync.Once

	state      state
	publishing sync.WaitGroup

	seed   maphash.Seed
	shards []*shard
	joins  queue[joinRequest]
	leaves queue[*nats.Subscription]
	fills  queue[fillRequest]
	pasts  queue[*historyRequest]
	keep   keeper
	stats  counters
}

// Connect connects to the NATS servers at url, several with commas between, and makes the namespace's stream if there is none. The servers must have JetStream
// and be of version 2.11 or later. Limits of a stream that is there are changed to those that o names, for all who use it, and that is logged. ctx bounds Connect only. If o is
// nil, every field is zero.
//
// It is one try, which fails with ErrUnavailable if no server is there, or has the stream, yet: a service that may start before its NATS calls it again, and logs the
// error. What will not become better, such as an address that is none, other limits than the server allows or wrong credentials, fails with another error.
func Connect(ctx context.Context, url string, o *Options) (*Broker, error) {
	filled, err := o.filled()
	if err != nil {
		return nil, err
	}
	b := &Broker{
		o:        filled,
		log:      &minuteLog{to: filled.Logger},
		urls:     url,
		reads:    make(chan struct{}, readsAtOnce),
		idPrefix: rand.Text()[:16] + "-",
		linger:   newLinger(filled.Linger),
		bundles:  bundles{waiting: map[string]*bundle{}},
		seed:     maphash.MakeSeed(),
		joins:    newQueue[joinRequest](),
		leaves:   newQueue[*nats.Subscription](),
		fills:    newQueue[fillRequest](),
		pasts:    newQueue[*historyRequest](),
		keep:     keeper{wake: make(chan struct{}, 1)},
	}
	if o != nil {
		b.named = *o
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.state.init()
	if err := b.connect(ctx); err != nil {
		b.stop()
		return nil, err
	}
	b.start()
	return b, nil
}

func (b *Broker) start() {
	for range max(runtime.GOMAXPROCS(0), 2) {
		b.shards = append(b.shards, newShard(b))
	}
	for _, s := range b.shards {
		b.wg.Go(s.run)
	}
	for range 4 {
		b.wg.Go(b.runFills)
	}
	b.wg.Go(b.runJoins)
	b.wg.Go(b.runHistories)
	b.wg.Go(b.runKeeper)
	if !b.conn.Load().IsConnected() { // lost since
		b.disconnected(nil)
	}
}

func (b *Broker) shardOf(topic string) *shard {
	return b.shards[maphash.String(b.seed, topic)%uint64(len(b.shards))]
}

// Notify calls f with the present state before it returns, and at each change, one call at a time. f must not call Notify or Close.
func (b *Broker) Notify(f func(broker.State)) { b.state.notify(f) }

// Close waits for what is being published, ends the subscriptions and closes the connection. When ctx ends it closes at once, and what is being published
// fails with ErrUnknownOutcome. It waits for handlers that run, also until ctx ends; its error is ctx's.
func (b *Broker) Close(ctx context.Context) error {
	b.state.close()
	wait(ctx, &b.publishing)
	b.stop()
	b.requests.fail(broker.ErrClosed)
	b.closing.Do(func() { b.wg.Go(b.conn.Load().Close) }) // which may be writing, or connecting
	b.state.set(broker.Down)
	if !wait(ctx, &b.wg) {
		return fmt.Errorf("natsbroker: Close: a handler is still running, or the connection ends: %w", ctx.Err())
	}
	return nil
}

// wait tells whether wg came to zero before ctx ended.
func wait(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// Stats are counted since Connect.
type Stats struct {
	// Topics that are subscribed now.
	Topics int
	// Malformed messages on a live subject that were dropped.
	Malformed uint64
	// Repeated messages of the stream: delivered before, and dropped.
	Repeated uint64
	// Gaps that were found, and messages of the stream that were read to fill them.
	Gaps, Filled uint64
	// Losses that a topic's subscribers were told of.
	Losses uint64
	// Sweeps are readings of the whole stream, after an outage or a slow handler.
	Sweeps uint64
}

type counters struct {
	topics                                            atomic.Int64
	malformed, repeated, gaps, filled, losses, sweeps atomic.Uint64
}

// Stats of the broker.
func (b *Broker) Stats() Stats {
	c := &b.stats
	return Stats{
		Topics: int(c.topics.Load()), Malformed: c.malformed.Load(), Repeated: c.repeated.Load(), Gaps: c.gaps.Load(), Filled: c.filled.Load(),
		Losses: c.losses.Load(), Sweeps: c.sweeps.Load(),
	}
}

// state is Up or Down, and who is told.
type state struct {
	mu     sync.Mutex
	up     bool
	outage uint64        // counts the connections that were lost
	change chan struct{} // closed at the next change
	closed bool
	linked context.Context // ends with the connection
	unlink context.CancelFunc

	telling sync.Mutex // one call at a time, in order
	told    []func(broker.State)
}

func (s *state) init() {
	s.up, s.change = true, make(chan struct{})
	s.linked, s.unlink = context.WithCancel(context.Background())
}

// link returns a context that ends when the connection is lost.
func (s *state) link() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.linked
}

// now tells how it is, the number of outages so far, and what is closed when that changes.
func (s *state) now() (up bool, outage uint64, change <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up, s.outage, s.change
}

func (s *state) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *state) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *state) set(to broker.State) { s.setIf(to, math.MaxUint64) }

// setIf sets the state and tells it, unless a connection was lost since outage was read.
func (s *state) setIf(to broker.State, outage uint64) bool {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	was := s.up
	if outage != math.MaxUint64 && outage != s.outage || s.closed && to != broker.Down {
		s.mu.Unlock()
		return false
	}
	s.up = to != broker.Down
	if to == broker.Down {
		s.outage++
		s.unlink()
	} else if !was {
		s.linked, s.unlink = context.WithCancel(context.Background())
	}
	close(s.change)
	s.change = make(chan struct{})
	s.mu.Unlock()
	if was != s.up || to == broker.EpochChanged {
		for _, f := range s.told {
			f(to)
		}
	}
	return true
}

func (s *state) notify(f func(broker.State)) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.told = append(s.told, f)
	now := broker.Up
	if up, _, _ := s.now(); !up {
		now = broker.Down
	}
	f(now)
}

// queue is one that never blocks who adds. wake has a value while it may have something.
type queue[T any] struct {
	mu   *sync.Mutex
	all  *[]T
	wake chan struct{}
}

func newQueue[T any]() queue[T] {
	return queue[T]{mu: new(sync.Mutex), all: new([]T), wake: make(chan struct{}, 1)}
}

func (q queue[T]) add(v ...T) {
	q.mu.Lock()
	*q.all = append(*q.all, v...)
	q.mu.Unlock()
	q.signal()
}

func (q queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns up to n, 0: all.
func (q queue[T]) take(n int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n == 0 || n > len(*q.all) {
		n = len(*q.all)
	}
	some := (*q.all)[:n:n]
	if *q.all = (*q.all)[n:]; len(*q.all) > 0 {
		q.signal()
	} else {
		*q.all = nil
	}
	return some
}
