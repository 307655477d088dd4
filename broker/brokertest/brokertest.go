// Package brokertest is the contract of [broker.Broker] as a test suite. Whoever writes a broker runs it on it:
//
//	func TestContract(t *testing.T) {
//		brokertest.Run(t, func(t testing.TB, o *broker.Options) brokertest.Subject {
//			return brokertest.Subject{Broker: mybroker.New(o)}
//		})
//	}
package brokertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// A Subject is a broker under test, and what else can be done to it. What is nil cannot, and the tests that need it are not run.
type Subject struct {
	// Broker is connected to a namespace of its own without messages. The suite closes it. If it is a [broker.Historian], [broker.Recaller],
	// [broker.Stateful] or [broker.Batcher] it is tested as one.
	Broker broker.Broker
	// Peer connects once more to the same namespace, as another process does. The suite closes what it returns.
	Peer func() broker.Broker
	// Subscriptions is how many subscriptions there are at the broker, those of the Peers too.
	Subscriptions func() int
	// Cut cuts Broker, not its Peers, off from what it is connected to, and Restore undoes that. Neither waits until the Broker knows.
	Cut, Restore func()
	// Restart ends what the Broker is connected to, and starts it again without history, at once.
	Restart func()
	// SharesMemory says that what the Broker is connected to is in this process too, and keeps memory of its own.
	SharesMemory bool
}

// Run tests the brokers that open makes, each with the given limits; nil: the defaults. What open has to clean up it gives to t.Cleanup. What a subscriber hears
// is tested once more in batches where there is a [broker.Batcher].
func Run(t *testing.T, open func(t testing.TB, o *broker.Options) Subject) {
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { c.run(&bench{T: t, open: open}) })
		if c.heard {
			t.Run(c.name+", in batches", func(t *testing.T) { c.run(&bench{T: t, open: open, batches: true}) })
		}
	}
}

// tests are the contract. heard: of quick subscribers, which batches are for, too.
var tests = []struct {
	name  string
	run   func(*bench)
	heard bool
}{
	{"order", testOrder, true},
	{"positions", testPositions, true},
	{"ids", testIDs, false},
	{"equal ids at once", testEqualIDsAtOnce, false},
	{"history", testHistory, false},
	{"bounds", testBounds, false},
	{"recall", testRecall, false},
	{"recall bounds", testRecallBounds, false},
	{"recall while publishing", testRecallWhilePublishing, false},
	{"age", testAge, false},
	{"topics", testTopics, true},
	{"topics refused", testTopicsRefused, false},
	{"data", testData, true},
	{"unsubscribe", testUnsubscribe, true},
	{"unsubscribe to zero", testUnsubscribeToZero, true},
	{"slow subscriber", testSlowSubscriber, false},
	{"many subscribers", testManySubscribers, true},
	{"many topics", testManyTopics, false},
	{"publish from a subscriber", testPublishFromSubscriber, false},
	{"context", testContext, false},
	{"notify", testNotify, false},
	{"cut", testCut, true},
	{"cut while publishing", testCutWhilePublishing, true},
	{"restart", testRestart, true},
	{"close", testClose, true},
	{"close while publishing", testCloseWhilePublishing, true},
	{"close while a subscriber runs", testCloseWhileSubscriberRuns, false},
}

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// bench is where one test works.
type bench struct {
	*testing.T
	open    func(testing.TB, *broker.Options) Subject
	batches bool // subscribers take them
}

// subject opens a broker, which is closed at the end of the test.
func (b *bench) subject(o *broker.Options) Subject {
	b.Helper()
	s := b.open(b.T, o)
	b.closeLater(s.Broker)
	if _, ok := s.Broker.(broker.Batcher); b.batches && !ok {
		b.Skip("no Batcher")
	}
	return s
}

// peer is another connection to s's namespace, or the same one where there is no other.
func (b *bench) peer(s Subject) broker.Broker {
	b.Helper()
	if s.Peer == nil {
		return s.Broker
	}
	p := s.Peer()
	b.closeLater(p)
	return p
}

func (b *bench) closeLater(br broker.Broker) {
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := br.Close(ctx); err != nil {
			b.Errorf("Close: %v", err)
		}
	})
}

// ctx ends when patience does.
func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	b.Cleanup(cancel)
	return ctx
}

func (b *bench) publish(br broker.Broker, topic, data string) broker.Position {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	at, err := br.Publish(ctx, topic, []byte(data), broker.PublishOptions{})
	if err != nil {
		b.Fatalf("Publish to %q: %v", topic, err)
	}
	return at
}

func (b *bench) subscribe(br broker.Broker, topic string) *inbox {
	b.Helper()
	in := newInbox(b)
	in.listen(br, topic)
	return in
}

// listen subscribes h as the test has it.
func (b *bench) listen(ctx context.Context, br broker.Broker, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	if !b.batches {
		return br.Subscribe(ctx, topic, h)
	}
	return br.(broker.Batcher).SubscribeBatches(ctx, topic, func(list []broker.Message) {
		if len(list) == 0 {
			b.Error("a batch without messages")
		}
		for _, m := range list {
			h(m)
		}
	})
}

func (b *bench) history(br broker.Broker, topic string, since broker.Position, limit int) ([]broker.Message, error) {
	return br.(broker.Historian).History(b.ctx(), topic, since, limit)
}

// historian skips a test of what br does not have.
func (b *bench) historian(br broker.Broker) {
	b.Helper()
	if _, ok := br.(broker.Historian); !ok {
		b.Skip("no Historian")
	}
}

// await returns when done says so, which it is asked again and again.
func (b *bench) await(what string, done func() bool) {
	b.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-deadline:
			b.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// awaitNone returns when no more subscriptions are left than there were before.
func (b *bench) awaitNone(subscriptions func() int, before int) {
	b.Helper()
	n := before
	defer func() {
		if n != before {
			b.Logf("%d subscriptions, %d before", n, before)
		}
	}()
	b.await("no subscription is left", func() bool { n = subscriptions(); return n == before })
}

// receive takes from c in time.
func receive[V any](b *bench, c <-chan V, what string) V {
	b.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		b.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// inbox is a subscriber that keeps what it hears.
type inbox struct {
	b           *bench
	at          broker.Position // the Subscribe's
	unsubscribe func() error

	mu    sync.Mutex
	heard []broker.Message
	some  chan struct{} // holds a token when heard is not empty
}

func newInbox(b *bench) *inbox { return &inbox{b: b, some: make(chan struct{}, 1)} }

func (in *inbox) listen(br broker.Broker, topic string) {
	in.b.Helper()
	var err error
	in.at, in.unsubscribe, err = in.b.listen(in.b.ctx(), br, topic, in.hear)
	if err != nil {
		in.b.Fatalf("Subscribe to %q: %v", topic, err)
	}
}

func (in *inbox) hear(m broker.Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard = append(in.heard, m)
	in.token()
}

// next waits for a message.
func (in *inbox) next() broker.Message {
	in.b.Helper()
	receive(in.b, in.some, "a message")
	in.mu.Lock()
	defer in.mu.Unlock()
	m := in.heard[0]
	in.heard = in.heard[1:]
	if len(in.heard) > 0 {
		in.token()
	}
	return m
}

func (in *inbox) token() {
	select {
	case in.some <- struct{}{}:
	default:
	}
}

// expect takes messages with data in this order and none lost.
func (in *inbox) expect(data ...string) (got []broker.Message) {
	in.b.Helper()
	for _, want := range data {
		m := in.next()
		if m.Lost || string(m.Data) != want {
			in.b.Fatalf("heard %q at %v, Lost: %v; want %q", m.Data, m.Position, m.Lost, want)
		}
		got = append(got, m)
	}
	return got
}

// gap is m with nothing but word of a loss.
func gap(m broker.Message) bool { return m.Lost && len(m.Data) == 0 }
