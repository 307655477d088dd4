package brokertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/wsrouter-go/wsrouter/broker"
)

// plenty is more than any topic of these tests has.
const plenty = 1 << 20

// recaller skips a test of what br does not have.
func (b *bench) recaller(br broker.Broker) {
	b.Helper()
	if _, ok := br.(broker.Recaller); !ok {
		b.Skip("no Recaller")
	}
}

func (b *bench) recall(br broker.Broker, topic string, before broker.Position, limit, bytes int) ([]broker.Message, bool, error) {
	return br.(broker.Recaller).Recall(b.ctx(), topic, before, limit, bytes)
}

// Recall has the end of what was delivered, up to any place, with what has just been published by any process.
func testRecall(b *bench) {
	s := b.subject(nil)
	b.recaller(s.Broker)
	if past, more, err := b.recall(s.Broker, "a", broker.Position{}, 10, plenty); err != nil || len(past) != 0 || more {
		b.Fatalf("Recall of nothing: %v, more: %v, %v", past, more, err)
	}
	in, peer := b.subscribe(s.Broker, "a"), b.peer(s)
	var want []string
	for i := range 20 {
		at := b.publish(peer, "a", fmt.Sprint(i))
		if past, _, err := b.recall(s.Broker, "a", broker.Position{}, 1, plenty); err != nil || len(past) != 1 || past[0].Seq != at.Seq {
			b.Fatalf("Recall of the newest message, %v: %v, %v", at, past, err)
		}
		for range 20 {
			b.publish(peer, "b", fmt.Sprint("not ", i))
		}
		want = append(want, fmt.Sprint(i))
	}
	heard := in.expect(want...)
	for _, br := range []broker.Broker{s.Broker, peer} {
		for end := range len(heard) + 1 {
			before := broker.Position{}
			if end < len(heard) {
				before = heard[end].Position
			}
			for _, limit := range []int{1, 2, 7, 20, 21, plenty} {
				past, more, err := b.recall(br, "a", before, limit, plenty)
				if err != nil || !slices.EqualFunc(past, heard[max(end-limit, 0):end], same) || limit < end && !more || limit > end && more {
					b.Fatalf("Recall of %d before %v: %v, more: %v, %v", limit, before, past, more, err)
				}
			}
		}
	}
	if past, _, err := b.recall(s.Broker, "a", broker.Position{Epoch: "x" + in.at.Epoch, Seq: in.at.Seq}, 10, plenty); !errors.Is(err, broker.ErrOverrun) {
		b.Errorf("Recall before a position of another epoch: %v, %v; want ErrOverrun", past, err)
	}
}

// What Recall returns ends where it should, has no gap, keeps its bounds, and uses them as far as the history goes.
func testRecallBounds(b *bench) {
	const kept = 300
	s := b.subject(&broker.Options{Messages: kept})
	b.recaller(s.Broker)
	r := rand.New(rand.NewPCG(1, 2))
	type told struct {
		at   broker.Position
		data string
		all  int // messages of all topics before it
	}
	of := map[string][]told{}
	topics := []string{"busy", "busy", "busy", "busy", "busy", "busy", "busy", "busy", "quiet", ">"}
	for n := range 3 * kept {
		topic := topics[r.IntN(len(topics))]
		data := strings.Repeat("x", r.IntN(50)) + fmt.Sprint(n)
		of[topic] = append(of[topic], told{b.publish(s.Broker, topic, data), data, n})
	}
	for range 300 {
		topic := topics[r.IntN(len(topics))]
		all := of[topic]
		end, before := len(all), broker.Position{}
		if r.IntN(2) == 0 {
			end = r.IntN(len(all))
			before = all[end].at
		}
		limit, bytes := 1+r.IntN(2*kept), 1+r.IntN(10_000)
		past, more, err := b.recall(s.Broker, topic, before, limit, bytes)
		if err != nil {
			b.Fatal(err)
		}
		size := 0
		for i, m := range past {
			if want := all[end-len(past)+i]; m.Seq != want.at.Seq || string(m.Data) != want.data {
				b.Fatalf("Recall(%q, %v, %d, %d): message %d of %d is %q, want %q", topic, before, limit, bytes, i, len(past), m.Data, want.data)
			}
			size += len(m.Data)
		}
		if len(past) > limit || size > bytes && len(past) > 1 {
			b.Fatalf("Recall(%q, %v, %d, %d): %d messages of %d bytes", topic, before, limit, bytes, len(past), size)
		}
		next := end - len(past) - 1
		if next >= 0 && all[next].all >= 2*kept && (!more || len(past) < limit && size+len(all[next].data) <= bytes) {
			b.Fatalf("Recall(%q, %v, %d, %d): %d messages of %d bytes, more: %v; the one before is kept", topic, before, limit, bytes, len(past), size, more)
		}
	}
	large := b.publish(s.Broker, "busy", strings.Repeat("x", 100))
	if past, _, err := b.recall(s.Broker, "busy", broker.Position{}, 10, 1); err != nil || len(past) != 1 || past[0].Seq != large.Seq {
		b.Errorf("Recall of fewer bytes than the newest message has: %v, %v; want that one", past, err)
	}
}

// What Recall returns while the history rolls on has no gap, and ends no earlier than what was published before.
func testRecallWhilePublishing(b *bench) {
	s := b.subject(&broker.Options{Messages: 200})
	b.recaller(s.Broker)
	peer := b.peer(s)
	var published atomic.Int64 // messages of the topic
	var writer sync.WaitGroup
	defer writer.Wait()
	done := make(chan struct{})
	defer close(done)
	writer.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			for _, topic := range []string{"a", "b", "b"} {
				if _, err := peer.Publish(b.Context(), topic, fmt.Append(nil, n), broker.PublishOptions{}); err != nil {
					b.Errorf("Publish: %v", err)
					return
				}
			}
			published.Store(int64(n))
		}
	})
	for round := range 100 {
		least := published.Load()
		past, _, err := b.recall(s.Broker, "a", broker.Position{}, 1+round*2, plenty)
		if err != nil {
			b.Fatal(err)
		}
		last := int64(0)
		for i, m := range past {
			n, err := strconv.ParseInt(string(m.Data), 10, 64)
			if err != nil || i > 0 && n != last+1 {
				b.Fatalf("%q comes after %d", m.Data, last)
			}
			last = n
		}
		if last < least {
			b.Fatalf("Recall ends with message %d, and %d was published before", last, least)
		}
	}
}
