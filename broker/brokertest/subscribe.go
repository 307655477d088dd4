package brokertest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/race"
)

// When unsubscribe has returned h is not called any more, in the middle of a stream of messages, and the other subscriber misses nothing.
func testUnsubscribe(b *bench) {
	s := b.subject(nil)
	stays := b.subscribe(s.Broker, "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			comeAndGo(b, s.Broker)
		}
	}()
	const ahead = 64 // so that who stays is never far behind
	for i := 0; ; i++ {
		b.publish(s.Broker, "a", fmt.Sprint(i))
		if i >= ahead {
			stays.expect(fmt.Sprint(i - ahead))
		}
		select {
		case <-done:
		default:
			continue
		}
		for k := max(i-ahead+1, 0); k <= i; k++ {
			stays.expect(fmt.Sprint(k))
		}
		break
	}

	// Who comes back hears what is new.
	if err := stays.unsubscribe(); err != nil {
		b.Fatal(err)
	}
	b.publish(s.Broker, "a", "missed")
	again := b.subscribe(s.Broker, "a")
	b.publish(s.Broker, "a", "heard")
	again.expect("heard")
	if len(stays.heard) > 0 {
		b.Errorf("heard after unsubscribe: %v", stays.heard)
	}
}

// comeAndGo subscribes to a topic where there is always something, and is called no more when it has unsubscribed.
func comeAndGo(b *bench, br broker.Broker) {
	var over atomic.Bool
	heard := make(chan struct{}, 1)
	_, unsubscribe, err := b.listen(b.Context(), br, "a", func(broker.Message) {
		if over.Load() {
			b.Error("a subscriber was called after unsubscribe")
		}
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err != nil {
		b.Errorf("Subscribe: %v", err)
		return
	}
	select {
	case <-heard:
	case <-time.After(patience):
		b.Errorf("not within %v: a message", patience)
	}
	if err := unsubscribe(); err != nil {
		b.Errorf("unsubscribe: %v", err)
	}
	over.Store(true)
	if err := unsubscribe(); err != nil {
		b.Errorf("unsubscribe again: %v", err)
	}
}

func testUnsubscribeToZero(b *bench) {
	s := b.subject(nil)
	if s.Subscriptions == nil {
		b.Skip("no Subscriptions")
	}
	before := s.Subscriptions()
	var inboxes []*inbox
	for i := range 100 {
		inboxes = append(inboxes, b.subscribe(s.Broker, fmt.Sprint(i%50)))
	}
	if n := s.Subscriptions(); n <= before {
		b.Errorf("%d subscriptions with 100 subscribers of 50 topics, %d without", n, before)
	}
	for _, in := range inboxes {
		if err := in.unsubscribe(); err != nil {
			b.Errorf("unsubscribe: %v", err)
		}
	}
	b.awaitNone(s.Subscriptions, before)
}

// A subscriber that stands still holds up nobody. When it goes on it hears the rest in order, and of every gap.
func testSlowSubscriber(b *bench) {
	for _, c := range []struct {
		name    string
		options *broker.Options
	}{{"with history", nil}, {"with little history", &broker.Options{Messages: 100}}} {
		b.Run(c.name, func(t *testing.T) {
			const n = 5000
			b := &bench{T: t, open: b.open}
			s := b.subject(c.options)
			entered, release := make(chan struct{}, 1), make(chan struct{})
			slow := newInbox(b)
			at, _, err := b.listen(b.ctx(), s.Broker, "a", func(m broker.Message) {
				select {
				case entered <- struct{}{}:
				default:
				}
				<-release
				slow.hear(m)
			})
			if err != nil {
				b.Fatal(err)
			}
			quick, other := b.subscribe(s.Broker, "a"), b.subscribe(s.Broker, "b")
			open := sync.OnceFunc(func() { close(release) })
			b.Cleanup(open)
			places := []broker.Position{b.publish(s.Broker, "a", "0")}
			receive(b, entered, "a message")
			for i := 1; i < n; i++ {
				places = append(places, b.publish(s.Broker, "a", fmt.Sprint(i)))
			}
			b.publish(s.Broker, "b", "elsewhere")
			other.expect("elsewhere")
			if complete(b, quick, quick.at, places) > 0 && c.options == nil {
				b.Errorf("a quick subscriber has lost messages")
			}
			open()
			if lost := complete(b, slow, at, places); lost > 0 && c.options == nil {
				b.Errorf("%d messages that history has were lost", lost)
			}
		})
	}
}

// complete takes from in until it has reached the last of places and returns how many it was told are lost. What it was not told fails.
func complete(b *bench, in *inbox, at broker.Position, places []broker.Position) (lost int) {
	b.Helper()
	last := at.Seq
	for i := 0; i < len(places); {
		m := in.next()
		if m.Epoch != at.Epoch || m.Seq < last || m.Seq == last && !gap(m) {
			b.Fatalf("heard %+v behind %d", m.Position, last)
		}
		last = m.Seq
		if m.Lost {
			for i < len(places) && (places[i].Seq < m.Seq || places[i].Seq == m.Seq && gap(m)) {
				i++
				lost++
			}
		}
		if gap(m) {
			continue
		}
		if m.Seq != places[i].Seq {
			b.Fatalf("heard %+v, Lost: %v; want message %d at %+v", m.Position, m.Lost, i, places[i])
		}
		i++
	}
	return lost
}

func testManySubscribers(b *bench) {
	const subscribers = 200
	s := b.subject(nil)
	peer := b.peer(s)
	var inboxes []*inbox
	for i := range subscribers {
		inboxes = append(inboxes, b.subscribe([]broker.Broker{s.Broker, peer}[i%2], "a"))
	}
	var want []string
	for i := range 50 {
		b.publish(s.Broker, "a", fmt.Sprint(i))
		want = append(want, fmt.Sprint(i))
	}
	for _, in := range inboxes {
		chained(b, in.at, in.expect(want...))
	}
	for _, in := range inboxes[1:] {
		in.unsubscribe()
	}
	b.publish(s.Broker, "a", "last")
	inboxes[0].expect("last")
}

// A hundred thousand topics come, have a message each, and go without a trace. None costs a goroutine.
func testManyTopics(b *bench) {
	topics, workers := race.Part(100_000), 512
	s := b.subject(&broker.Options{Messages: 1000})
	subscriptions := func() int { return 0 }
	if s.Subscriptions != nil {
		subscriptions = s.Subscriptions
	}
	none := subscriptions()
	b.publish(s.Broker, "a", "warm") // what comes with the first use is there behind this
	b.subscribe(s.Broker, "a").unsubscribe()
	b.awaitNone(subscriptions, none)
	memory, goroutines := heap(), runtime.NumGoroutine()

	heard := make([]atomic.Int32, topics)
	unsubscribe := make([]func() error, topics)
	all := make(chan struct{})
	var left atomic.Int64
	left.Store(int64(topics))
	each := func(do func(i int) error) {
		b.Helper()
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := w; i < topics; i += workers {
					if err := do(i); err != nil {
						b.Errorf("topic %d: %v", i, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if b.Failed() {
			b.FailNow()
		}
	}
	each(func(i int) (err error) {
		_, unsubscribe[i], err = b.listen(b.Context(), s.Broker, fmt.Sprint("topic ", i), func(m broker.Message) {
			if heard[i].Add(1); m.Lost || string(m.Data) != fmt.Sprint(i) {
				b.Errorf("topic %d heard %q, Lost: %v", i, m.Data, m.Lost)
			}
			if left.Add(-1) == 0 {
				close(all)
			}
		})
		return err
	})
	if n := runtime.NumGoroutine(); n > goroutines+100 {
		b.Errorf("%d goroutines with %d idle subscriptions, %d without", n, topics, goroutines)
	}
	each(func(i int) error {
		_, err := s.Broker.Publish(b.Context(), fmt.Sprint("topic ", i), fmt.Append(nil, i), broker.PublishOptions{})
		return err
	})
	receive(b, all, "a message on each topic")
	each(func(i int) error { return unsubscribe[i]() })
	for i := range heard {
		if n := heard[i].Load(); n != 1 {
			b.Errorf("topic %d heard %d messages", i, n)
		}
	}
	clear(unsubscribe)
	b.awaitNone(subscriptions, none)
	b.await("the goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	if !s.SharesMemory {
		b.await("the memory is free again", func() bool { return heap() < memory+4<<20 })
	}
	runtime.KeepAlive(unsubscribe)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A subscriber may publish, also to its own topic, and stop itself from another goroutine.
func testPublishFromSubscriber(b *bench) {
	s := b.subject(nil)
	echo := b.subscribe(s.Broker, "echo")
	var unsubscribe func() error
	ready, stopped := make(chan struct{}), make(chan error, 1)
	_, unsubscribe, err := b.listen(b.ctx(), s.Broker, "a", func(m broker.Message) {
		<-ready
		if len(m.Data) == 10 {
			go func() { stopped <- unsubscribe() }()
			return
		}
		for _, topic := range []string{"a", "echo"} {
			if _, err := s.Broker.Publish(b.Context(), topic, append(m.Data[:len(m.Data):len(m.Data)], 'x'), broker.PublishOptions{}); err != nil {
				b.Errorf("Publish: %v", err)
			}
		}
	})
	close(ready)
	if err != nil {
		b.Fatal(err)
	}
	b.publish(s.Broker, "a", "x")
	if err := receive(b, stopped, "unsubscribe"); err != nil {
		b.Errorf("unsubscribe: %v", err)
	}
	echo.expect("xx", "xxx", "xxxx", "xxxxx", "xxxxxx", "xxxxxxx", "xxxxxxxx", "xxxxxxxxx", "xxxxxxxxxx")
}
