package brokertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsrouter-go/wsrouter/broker"
)

// History has what was delivered, from any place on.
func testHistory(b *bench) {
	s := b.subject(nil)
	b.historian(s.Broker)
	if past, err := b.history(s.Broker, "a", broker.Position{}, 0); err != nil || len(past) != 0 {
		b.Fatalf("History of nothing: %v, %v", past, err)
	}
	in := b.subscribe(s.Broker, "a")
	peer := b.peer(s)
	var want []string
	for i := range 20 {
		b.publish(peer, "a", fmt.Sprint(i))
		b.publish(peer, "b", fmt.Sprint("not ", i))
		want = append(want, fmt.Sprint(i))
	}
	heard := in.expect(want...)
	for _, br := range []broker.Broker{s.Broker, peer} {
		all := slices.Concat([]broker.Position{in.at}, positions(heard))
		for i, since := range all {
			since.Prev = 12345 // belongs to delivered messages only
			past, err := b.history(br, "a", since, 0)
			if err != nil || !slices.EqualFunc(past, heard[i:], same) {
				b.Fatalf("History since %v: %v, %v; want %v", since, past, err, heard[i:])
			}
		}
		past, err := b.history(br, "a", broker.Position{}, 0)
		if err != nil || !slices.EqualFunc(past, heard, same) {
			b.Errorf("History since the beginning: %v, %v; want %v", past, err, heard)
		}
		if past, err = b.history(br, "a", heard[9].Position, 10); err != nil || len(past) != 10 {
			b.Errorf("History of 10 messages with limit 10: %v, %v", past, err)
		}
		for call, err := range map[string]error{
			"more than limit":         second(b.history(br, "a", heard[9].Position, 9)),
			"another epoch":           second(b.history(br, "a", broker.Position{Epoch: "x" + in.at.Epoch, Seq: in.at.Seq}, 0)),
			"no epoch":                second(b.history(br, "a", broker.Position{Seq: heard[0].Seq}, 0)),
			"a place not reached yet": second(b.history(br, "a", broker.Position{Epoch: in.at.Epoch, Seq: heard[19].Seq + 1<<40}, 0)),
		} {
			if !errors.Is(err, broker.ErrOverrun) {
				b.Errorf("History with %s: %v, want ErrOverrun", call, err)
			}
		}
	}
}

func second[A, B any](_ A, v B) B { return v }

func positions(messages []broker.Message) (ps []broker.Position) {
	for _, m := range messages {
		ps = append(ps, m.Position)
	}
	return ps
}

func same(x, y broker.Message) bool {
	return x.Topic == y.Topic && x.ID == y.ID && x.Epoch == y.Epoch && x.Seq == y.Seq && string(x.Data) == string(y.Data) && x.Lost == y.Lost
}

// Limits are those of all topics together, and what is just within them is all there.
func testBounds(b *bench) {
	for _, c := range []struct {
		name    string
		options broker.Options
		kept    int // of messages of 1,000 bytes, at least
		atMost  int
	}{
		{"messages", broker.Options{Messages: 100}, 100, 100},
		{"bytes", broker.Options{Bytes: 200_000}, 100, 200},
	} {
		b.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, open: b.open}
			s := b.subject(&c.options)
			b.historian(s.Broker)
			data := strings.Repeat("x", 1000)
			quiet := b.publish(s.Broker, "quiet", data)
			var busy []broker.Position
			for range 250 {
				busy = append(busy, b.publish(s.Broker, "busy", data))
			}
			kept := 0
			for i := len(busy) - 1; i >= 0; i-- { // what comes after busy[i]
				past, err := b.history(s.Broker, "busy", busy[i], 0)
				if err == nil && !slices.EqualFunc(past, busy[i+1:], func(m broker.Message, p broker.Position) bool { return m.Seq == p.Seq }) {
					b.Fatalf("History since message %d has %d messages, want %d or ErrOverrun", i, len(past), len(busy)-1-i)
				}
				if err != nil {
					if !errors.Is(err, broker.ErrOverrun) {
						b.Fatalf("History: %v", err)
					}
					break
				}
				kept = len(past)
			}
			if kept < c.kept || kept > c.atMost {
				b.Errorf("history reaches back %d messages, want %d to %d", kept, c.kept, c.atMost)
			}
			for _, i := range []int{0, 1, len(busy) - 1 - c.atMost - 1} {
				if past, err := b.history(s.Broker, "busy", busy[i], 0); !errors.Is(err, broker.ErrOverrun) {
					b.Errorf("History since message %d of %d: %d messages, %v; want ErrOverrun", i, len(busy), len(past), err)
				}
			}
			// The one message of the quiet topic has made way for those of the busy one.
			for _, since := range []broker.Position{{}, {Epoch: quiet.Epoch, Seq: quiet.Seq - 1}} {
				if past, err := b.history(s.Broker, "quiet", since, 0); !errors.Is(err, broker.ErrOverrun) {
					b.Errorf("History before a message that is gone: %v, %v; want ErrOverrun", past, err)
				}
			}
			// After it there was none, if the broker still knows that.
			if past, err := b.history(s.Broker, "quiet", quiet, 0); err != nil && !errors.Is(err, broker.ErrOverrun) || len(past) > 0 {
				b.Errorf("History after the last message: %v, %v", past, err)
			}
			last := busy[len(busy)-1]
			if past, err := b.history(s.Broker, "quiet", last, 0); err != nil || len(past) > 0 {
				b.Errorf("History of a quiet topic since a recent place: %v, %v", past, err)
			}
		})
	}
}

// What is too old goes, and is missed.
func testAge(b *bench) {
	s := b.subject(&broker.Options{Age: time.Second})
	b.historian(s.Broker)
	start := b.subscribe(s.Broker, "a").at
	began := time.Now()
	old := b.publish(s.Broker, "a", "old")
	if past, err := b.history(s.Broker, "a", start, 0); err != nil || len(past) != 1 {
		if time.Since(began) < time.Second {
			b.Fatalf("History of a message of now: %v, %v", past, err)
		}
	}
	b.await("a message older than Age is gone", func() bool {
		_, err := b.history(s.Broker, "a", start, 0)
		return errors.Is(err, broker.ErrOverrun)
	})
	if age := time.Since(began); age < 900*time.Millisecond {
		b.Errorf("a message was gone after %v, before Age", age)
	}
	published := time.Now()
	at := b.publish(s.Broker, "a", "new")
	past, err := b.history(s.Broker, "a", old, 0)
	if (err != nil || len(past) != 1 || past[0].Seq != at.Seq) && time.Since(published) < time.Second {
		b.Errorf("History since the message that is gone: %v, %v; want the one after it", past, err)
	}
}
