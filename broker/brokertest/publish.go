package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/wsrouter-go/wsrouter/broker"
)

// Eight goroutines publish through two connections to three topics: each one's messages arrive in its order, once, and all subscribers agree.
func testOrder(b *bench) {
	const writers, each = 8, 100
	topics := []string{"a", "b", "c"}
	s := b.subject(nil)
	brokers := []broker.Broker{s.Broker, b.peer(s)}
	var inboxes []*inbox
	for _, topic := range topics {
		for _, br := range brokers {
			inboxes = append(inboxes, b.subscribe(br, topic))
		}
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				for _, topic := range topics {
					if _, err := brokers[w%2].Publish(b.Context(), topic, fmt.Appendf(nil, "%d %d", w, i), broker.PublishOptions{}); err != nil {
						b.Errorf("Publish: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		return
	}
	for i := 0; i < len(inboxes); i += 2 {
		first := inOrder(b, inboxes[i], writers, each)
		second := inOrder(b, inboxes[i+1], writers, each)
		for k := range first {
			if first[k].Seq != second[k].Seq || first[k].ID != second[k].ID || !bytes.Equal(first[k].Data, second[k].Data) {
				b.Fatalf("message %d: one subscriber heard %v, another %v", k, first[k], second[k])
			}
		}
	}
}

func inOrder(b *bench, in *inbox, writers, each int) (heard []broker.Message) {
	b.Helper()
	next := make([]int, writers)
	for range writers * each {
		m := in.next()
		var w, i int
		if _, err := fmt.Sscanf(string(m.Data), "%d %d", &w, &i); err != nil || m.Lost {
			b.Fatalf("heard %v", m)
		}
		if i != next[w] {
			b.Fatalf("topic %q: message %d of writer %d, want %d", m.Topic, i, w, next[w])
		}
		next[w]++
		heard = append(heard, m)
	}
	chained(b, in.at, heard)
	return heard
}

// chained checks that messages follow one another without a gap, the first one at or after at.
func chained(b *bench, at broker.Position, messages []broker.Message) {
	b.Helper()
	last := at
	for i, m := range messages {
		switch {
		case m.Epoch != at.Epoch:
			b.Fatalf("message %d is of epoch %q, want %q", i, m.Epoch, at.Epoch)
		case m.Seq <= last.Seq:
			b.Fatalf("message %d has Seq %d behind %d", i, m.Seq, last.Seq)
		case i == 0 && m.Prev > last.Seq, i > 0 && m.Prev != last.Seq:
			b.Fatalf("message %d has Prev %d behind %d", i, m.Prev, last.Seq)
		case m.Lost:
			b.Fatalf("message %d says Lost", i)
		}
		last = m.Position
	}
}

// Publish, delivery and Subscribe agree on where a message stands.
func testPositions(b *bench) {
	s := b.subject(nil)
	before := b.publish(s.Broker, "a", "before")
	if before.Epoch == "" || before.Seq == 0 {
		b.Fatalf("Publish returned %+v", before)
	}
	in := b.subscribe(b.peer(s), "a")
	if in.at.Epoch != before.Epoch || in.at.Seq < before.Seq {
		b.Fatalf("Subscribe behind the message at %+v returned %+v", before, in.at)
	}
	b.publish(s.Broker, "b", "of another topic")
	var published []broker.Position
	for i := range 10 {
		published = append(published, b.publish(s.Broker, "a", fmt.Sprint(i)))
	}
	heard := in.expect("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	chained(b, in.at, heard)
	for i, m := range heard {
		if m.Epoch != published[i].Epoch || m.Seq != published[i].Seq {
			b.Errorf("message %d was delivered at %+v, published at %+v", i, m.Position, published[i])
		}
		if m.Topic != "a" {
			b.Errorf("message %d was delivered on %q", i, m.Topic)
		}
	}
	if in.at.Seq >= published[0].Seq {
		b.Errorf("Subscribe before the message at %+v returned %+v", published[0], in.at)
	}
}

// A message that is published again under its ID is the first one, through whichever connection.
func testIDs(b *bench) {
	s := b.subject(nil)
	in, peer := b.subscribe(s.Broker, "a"), b.peer(s)
	var first broker.Position
	for i, br := range []broker.Broker{s.Broker, s.Broker, peer} {
		at, err := br.Publish(b.ctx(), "a", []byte("once"), broker.PublishOptions{ID: "id-1"})
		if err != nil {
			b.Fatalf("Publish %d: %v", i, err)
		}
		if i == 0 {
			first = at
		} else if at.Epoch != first.Epoch || at.Seq != first.Seq {
			b.Errorf("repetition %d is at %+v, the first at %+v", i, at, first)
		}
	}
	b.publish(s.Broker, "a", "same")
	b.publish(s.Broker, "a", "same")
	if _, err := peer.Publish(b.ctx(), "a", []byte("other"), broker.PublishOptions{ID: "id-2"}); err != nil {
		b.Fatal(err)
	}
	heard := in.expect("once", "same", "same", "other")
	if heard[0].ID != "id-1" || heard[3].ID != "id-2" {
		b.Errorf("heard the IDs %q and %q, want those of the publisher", heard[0].ID, heard[3].ID)
	}
	if heard[1].ID == "" || heard[1].ID == heard[2].ID {
		b.Errorf("heard the IDs %q and %q, want two", heard[1].ID, heard[2].ID)
	}
	chained(b, in.at, heard)
}

func testEqualIDsAtOnce(b *bench) {
	const ids, each = 50, 4
	s := b.subject(nil)
	in := b.subscribe(s.Broker, "a")
	brokers := []broker.Broker{s.Broker, b.peer(s)}
	places := make([][]broker.Position, each)
	var wg sync.WaitGroup
	for w := range each {
		places[w] = make([]broker.Position, ids)
		wg.Go(func() {
			for i := range ids {
				at, err := brokers[w%2].Publish(b.Context(), "a", nil, broker.PublishOptions{ID: fmt.Sprint("id-", i)})
				if err != nil {
					b.Errorf("Publish: %v", err)
				}
				places[w][i] = at
			}
		})
	}
	wg.Wait()
	end := b.publish(s.Broker, "a", "end")
	var heard []broker.Message
	for len(heard) == 0 || heard[len(heard)-1].Seq < end.Seq {
		heard = append(heard, in.next())
	}
	if len(heard) != ids+1 {
		b.Errorf("heard %d messages, want %d", len(heard), ids+1)
	}
	for w := range each {
		if !slices.Equal(places[w], places[0]) {
			b.Errorf("publishers of the same IDs were told different places: %v and %v", places[w], places[0])
		}
	}
}

// hostile are names that something on the way could take for another, or for more than a name.
var hostile = []string{
	">", "*", ".", "..", "a.b", "a.*", "a.>", ".a", "a.", "a..b", " ", "a b", "\t", "\r\n", "a\r\nPUB b 1\r\n", "\x00", "a\x00b", "\xff\xfe", "a\xc0\xaf", "\xed\xa0\x80",
	"\u00e9", "e\u0301", "\u212b", "\u00c5", "A", "a", "a/b", "/", "\\", "$SYS.REQ", "_INBOX.x", "$JS.API.>", "-", "_", "=", "YQ", "YQ==", "%00", "%61", "🚀", "\ufeff", "\ufffd",
	strings.Repeat("x", 1024), strings.Repeat("x", 1023), strings.Repeat("\xff", 1024), strings.Repeat(".", 1024), strings.Repeat("x", 255), strings.Repeat("x", 256),
}

// Every name is a topic of its own.
func testTopics(b *bench) {
	s := b.subject(nil)
	inboxes := make([]*inbox, len(hostile))
	for i, topic := range hostile {
		inboxes[i] = b.subscribe(s.Broker, topic)
	}
	peer := b.peer(s)
	for round := range 2 { // what came too much in the first one stands before the second
		for i, topic := range hostile {
			b.publish(peer, topic, fmt.Sprint(round, i))
		}
	}
	for i, topic := range hostile {
		heard := inboxes[i].expect(fmt.Sprint(0, i), fmt.Sprint(1, i))
		if heard[0].Topic != topic {
			b.Errorf("a message to %q came on %q", topic, heard[0].Topic)
		}
		if _, ok := s.Broker.(broker.Historian); !ok {
			continue
		}
		past, err := b.history(s.Broker, topic, inboxes[i].at, 0)
		if err != nil || len(past) != 2 || past[0].Topic != topic || string(past[0].Data) != fmt.Sprint(0, i) {
			b.Errorf("History of %q: %v, %v", topic, past, err)
		}
		if _, ok := s.Broker.(broker.Recaller); ok {
			if past, _, err := b.recall(s.Broker, topic, broker.Position{}, 10, plenty); err != nil || !slices.EqualFunc(past, heard, same) {
				b.Errorf("Recall of %q: %v, %v", topic, past, err)
			}
		}
	}
}

// What is no topic is refused, before anything is sent, and harms nothing.
func testTopicsRefused(b *bench) {
	s := b.subject(nil)
	in := b.subscribe(s.Broker, "a")
	for _, topic := range []string{"", strings.Repeat("x", 1025), strings.Repeat(".", 1025), strings.Repeat("x", 10<<10)} {
		_, err := s.Broker.Publish(b.ctx(), topic, []byte("x"), broker.PublishOptions{})
		b.refused(fmt.Sprintf("Publish to a topic of %d bytes", len(topic)), err)
		_, _, err = b.listen(b.ctx(), s.Broker, topic, in.hear)
		b.refused(fmt.Sprintf("Subscribe to a topic of %d bytes", len(topic)), err)
		if _, ok := s.Broker.(broker.Historian); ok {
			_, err := b.history(s.Broker, topic, broker.Position{}, 0)
			b.refused(fmt.Sprintf("History of a topic of %d bytes", len(topic)), err)
		}
		if _, ok := s.Broker.(broker.Recaller); ok {
			_, _, err := b.recall(s.Broker, topic, broker.Position{}, 1, 1)
			b.refused(fmt.Sprintf("Recall of a topic of %d bytes", len(topic)), err)
		}
	}
	b.publish(s.Broker, "a", "goes on")
	in.expect("goes on")
}

// refused checks that err blames the caller, and not the state of things.
func (b *bench) refused(call string, err error) {
	b.Helper()
	if err == nil {
		b.Errorf("%s: no error", call)
	}
	for _, other := range []error{broker.ErrClosed, broker.ErrUnavailable, broker.ErrUnknownOutcome, broker.ErrOverrun, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, other) {
			b.Errorf("%s: %v, want an error that says what is wrong with it", call, err)
		}
	}
}

// Data arrives as it was when Publish was called, whatever is in it and whatever the caller does to it later.
func testData(b *bench) {
	s := b.subject(nil)
	in := b.subscribe(b.peer(s), "a")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	sizes := [][]byte{nil, {}, {0}, []byte("\r\n"), []byte("NATS/1.0\r\nStatus: 503\r\n\r\n"), all, bytes.Repeat(all, 256)}
	for _, data := range sizes {
		if _, err := s.Broker.Publish(b.ctx(), "a", data, broker.PublishOptions{}); err != nil {
			b.Fatalf("Publish of %d bytes: %v", len(data), err)
		}
	}
	scratch := make([]byte, 8)
	for i := range 100 {
		copy(scratch, fmt.Sprintf("%08d", i))
		if _, err := s.Broker.Publish(b.ctx(), "a", scratch, broker.PublishOptions{}); err != nil {
			b.Fatal(err)
		}
		clear(scratch)
	}
	for _, want := range sizes {
		if m := in.next(); m.Lost || !bytes.Equal(m.Data, want) {
			b.Errorf("heard %d bytes, Lost: %v; want %d bytes", len(m.Data), m.Lost, len(want))
		}
	}
	for i := range 100 {
		in.expect(fmt.Sprintf("%08d", i))
	}
	if _, ok := s.Broker.(broker.Historian); ok {
		past, err := b.history(s.Broker, "a", in.at, 0)
		if err != nil || len(past) != len(sizes)+100 {
			b.Fatalf("History: %d messages, %v", len(past), err)
		}
		for i, m := range past[len(sizes):] {
			if string(m.Data) != fmt.Sprintf("%08d", i) {
				b.Errorf("History has %q, want %08d", m.Data, i)
			}
		}
	}
}

// A context that has ended: nothing happens.
func testContext(b *bench) {
	s := b.subject(nil)
	in := b.subscribe(s.Broker, "a")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := s.Broker.Publish(ctx, "a", []byte("never"), broker.PublishOptions{}); !errors.Is(err, context.Canceled) {
		b.Errorf("Publish: %v, want context.Canceled", err)
	}
	if _, _, err := b.listen(ctx, s.Broker, "a", in.hear); !errors.Is(err, context.Canceled) {
		b.Errorf("Subscribe: %v, want context.Canceled", err)
	}
	if h, ok := s.Broker.(broker.Historian); ok {
		if _, err := h.History(ctx, "a", broker.Position{}, 0); !errors.Is(err, context.Canceled) {
			b.Errorf("History: %v, want context.Canceled", err)
		}
	}
	if r, ok := s.Broker.(broker.Recaller); ok {
		if _, _, err := r.Recall(ctx, "a", broker.Position{}, 1, 1); !errors.Is(err, context.Canceled) {
			b.Errorf("Recall: %v, want context.Canceled", err)
		}
	}
	b.publish(s.Broker, "a", "1")
	b.publish(s.Broker, "a", "2")
	in.expect("1", "2")
}
