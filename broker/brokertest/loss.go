package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// states hears Notify.
type states struct {
	b *bench
	c chan broker.State
}

func (b *bench) states(br broker.Broker) *states {
	b.Helper()
	s, ok := br.(broker.Stateful)
	if !ok {
		b.Skip("not Stateful")
	}
	st := &states{b, make(chan broker.State, 1000)}
	s.Notify(func(v broker.State) { st.c <- v })
	if len(st.c) == 0 {
		b.Fatal("Notify did not tell the present state")
	}
	return st
}

// until waits for a state.
func (s *states) until(want broker.State) {
	s.b.Helper()
	for receive(s.b, s.c, fmt.Sprint("state ", want)) != want {
	}
}

func testNotify(b *bench) {
	s := b.subject(nil)
	one, two := b.states(s.Broker), b.states(s.Broker)
	one.until(broker.Up)
	two.until(broker.Up)
}

// fails checks that br refuses at once, as one that cannot be reached.
func (b *bench) fails(br broker.Broker) {
	b.Helper()
	began := time.Now()
	_, err := br.Publish(b.ctx(), "a", []byte("never"), broker.PublishOptions{})
	if !errors.Is(err, broker.ErrUnavailable) {
		b.Errorf("Publish while cut off: %v, want ErrUnavailable", err)
	}
	if _, _, err := b.listen(b.ctx(), br, "new", func(broker.Message) {}); !errors.Is(err, broker.ErrUnavailable) {
		b.Errorf("Subscribe while cut off: %v, want ErrUnavailable", err)
	}
	if _, ok := br.(broker.Historian); ok {
		if _, err := b.history(br, "a", broker.Position{}, 0); !errors.Is(err, broker.ErrUnavailable) {
			b.Errorf("History while cut off: %v, want ErrUnavailable", err)
		}
	}
	if _, ok := br.(broker.Recaller); ok {
		if _, _, err := b.recall(br, "a", broker.Position{}, 1, 1); !errors.Is(err, broker.ErrUnavailable) {
			b.Errorf("Recall while cut off: %v, want ErrUnavailable", err)
		}
	}
	if d := time.Since(began); d > 2*time.Second {
		b.Errorf("to refuse took %v", d)
	}
}

// A broker that is cut off says so; afterwards subscriptions go on where they were.
func testCut(b *bench) {
	s := b.subject(nil)
	if s.Cut == nil {
		b.Skip("no Cut")
	}
	st, peer := b.states(s.Broker), b.peer(s)
	in, quiet, gone := b.subscribe(s.Broker, "a"), b.subscribe(s.Broker, "quiet"), b.subscribe(s.Broker, "gone")
	tail := b.subscribe(s.Broker, "tail") // has messages while it is cut off, and none that would show the gap afterwards
	there := b.subscribe(peer, "tail")
	var missed []broker.Position
	st.until(broker.Up)
	places := []broker.Position{b.publish(s.Broker, "a", "before")}
	for range 3 {
		s.Cut()
		st.until(broker.Down)
		b.fails(s.Broker)
		if s.Peer != nil {
			for i := range 20 {
				places = append(places, b.publish(peer, "a", fmt.Sprint("meanwhile ", i)))
			}
			missed = append(missed, b.publish(peer, "tail", "meanwhile"))
			there.expect("meanwhile")
		}
		if err := gone.unsubscribe(); err != nil {
			b.Errorf("unsubscribe while cut off: %v", err)
		}
		s.Restore()
		st.until(broker.Up)
		places = append(places, b.publish(s.Broker, "a", "after"))
	}
	if lost := complete(b, in, in.at, places) + complete(b, tail, tail.at, missed); lost > 0 {
		if _, ok := s.Broker.(broker.Historian); ok {
			b.Errorf("%d messages that history has were lost", lost)
		}
	}
	b.publish(s.Broker, "quiet", "first")
	for m := quiet.next(); ; m = quiet.next() { // a broker without history cannot know that it has lost nothing
		if !gap(m) {
			if string(m.Data) != "first" {
				b.Errorf("heard %q", m.Data)
			}
			break
		}
		if _, ok := s.Broker.(broker.Historian); ok {
			b.Error("a topic without messages was told of a loss")
		}
	}
	b.publish(s.Broker, "gone", "nobody")
	b.subscribe(s.Broker, "gone")
	if len(gone.heard) > 0 {
		b.Errorf("heard after unsubscribe: %v", gone.heard)
	}
}

// What Publish said while the connection went and came is true.
func testCutWhilePublishing(b *bench) {
	s := b.subject(&broker.Options{Messages: 1 << 20}) // which nobody fills while the connection is away
	if s.Cut == nil {
		b.Skip("no Cut")
	}
	const writers = 8
	st, in := b.states(s.Broker), b.subscribe(s.Broker, "a")
	watch := b.subscribe(b.peer(s), "a")
	st.until(broker.Up)
	outcomes := make([]map[string]error, writers)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		outcomes[w] = map[string]error{}
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(w, "-", i)
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
				_, err := s.Broker.Publish(ctx, "a", []byte(id), broker.PublishOptions{ID: id})
				cancel()
				outcomes[w][id] = err
				if errors.Is(err, broker.ErrUnavailable) {
					i-- // nothing was sent: a first try once more
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	for range 3 {
		for range 50 {
			watch.next()
		}
		s.Cut()
		st.until(broker.Down)
		s.Restore()
		st.until(broker.Up)
	}
	close(stop)
	wg.Wait()
	// Who does not know sends again under the same ID.
	for w := range outcomes {
		for id, err := range outcomes[w] {
			switch {
			case err == nil, errors.Is(err, broker.ErrUnavailable):
			case errors.Is(err, broker.ErrUnknownOutcome):
				if _, err := s.Broker.Publish(b.ctx(), "a", []byte(id), broker.PublishOptions{ID: id}); err != nil {
					b.Fatalf("Publish again: %v", err)
				}
				outcomes[w][id] = nil
			default:
				b.Fatalf("Publish while the connection went and came: %v", err)
			}
		}
	}
	b.publish(s.Broker, "a", "end")
	times := map[string]int{}
	for m := in.next(); string(m.Data) != "end"; m = in.next() {
		if m.Lost {
			if _, ok := s.Broker.(broker.Historian); ok {
				b.Error("messages that history has were lost")
			}
			continue
		}
		times[string(m.Data)]++
	}
	for w := range outcomes {
		for id, err := range outcomes[w] {
			want := 1
			if err != nil {
				want = 0
			}
			if times[id] != want {
				b.Errorf("message %s was heard %d times, its Publish said: %v", id, times[id], err)
			}
		}
	}
}

// A broker that comes back without its history: everybody hears of the loss, the epoch is another, and all goes on.
func testRestart(b *bench) {
	s := b.subject(nil)
	if s.Restart == nil {
		b.Skip("no Restart")
	}
	st := b.states(s.Broker)
	in, quiet := b.subscribe(s.Broker, "a"), b.subscribe(s.Broker, "quiet")
	st.until(broker.Up)
	var old broker.Position
	for i := range 10 {
		old = b.publish(s.Broker, "a", fmt.Sprint(i))
		in.expect(fmt.Sprint(i))
	}
	s.Restart()
	st.until(broker.EpochChanged)
	for range 20 { // more than there were, so that the sequence passes where it was
		now := b.publish(s.Broker, "a", "new")
		if now.Epoch == old.Epoch {
			b.Fatalf("a message after the loss is at %+v, one before it at %+v", now, old)
		}
	}
	m := in.next()
	if !m.Lost {
		b.Errorf("the first that is heard after the loss is %+v without Lost", m.Position)
	}
	if gap(m) {
		m = in.next()
	}
	for i := range 20 {
		if string(m.Data) != "new" || m.Epoch == old.Epoch || i > 0 && m.Lost {
			b.Fatalf("message %d after the loss: %q at %+v, Lost: %v", i, m.Data, m.Position, m.Lost)
		}
		if i < 19 {
			m = in.next()
		}
	}
	if m := quiet.next(); !gap(m) {
		b.Errorf("a subscriber without messages heard %+v, want word of the loss", m)
	}
	if h, ok := s.Broker.(broker.Historian); ok {
		for name, since := range map[string]broker.Position{"the last one": old, "the first one": {Epoch: old.Epoch, Seq: 1}} {
			if _, err := h.History(b.ctx(), "a", since, 0); !errors.Is(err, broker.ErrOverrun) {
				b.Errorf("History since %s of the old epoch: %v, want ErrOverrun", name, err)
			}
		}
	}
	if _, ok := s.Broker.(broker.Recaller); ok {
		if _, _, err := b.recall(s.Broker, "a", old, 1, plenty); !errors.Is(err, broker.ErrOverrun) {
			b.Errorf("Recall before a position of the old epoch: %v, want ErrOverrun", err)
		}
		if past, _, err := b.recall(s.Broker, "a", broker.Position{}, plenty, plenty); err != nil || len(past) != 20 || past[19].Seq != m.Seq {
			b.Errorf("Recall of the new epoch: %v, %v; want its 20 messages", past, err)
		}
	}
}
