package wsrouter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// typist is noise between what is said.
type typist struct {
	_    none   `ws:"typing,latest=user"`
	User string `json:"user"`
}

// past is History, which must not fail.
func past(t *testing.T, room wsrouter.Room[inRoom], o *wsrouter.HistoryOptions) []wsrouter.Past {
	t.Helper()
	list, err := room.History(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// saidIn is the numbers of what was said.
func saidIn(list []wsrouter.Past) (ns []int) {
	for _, p := range list {
		if m, ok := p.Value.(said); ok {
			ns = append(ns, m.N)
		}
	}
	return ns
}

// upTo are the numbers from a to before b.
func upTo(a, b int) (ns []int) {
	for ; a < b; a++ {
		ns = append(ns, a)
	}
	return ns
}

func sayAll(t *testing.T, r *wsrouter.Router[inRoom], room string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := r.Room(room).Broadcast(t.Context(), said{N: n}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHistory: the newest messages of a room that other processes had, within the bounds, and of no other room.
func TestHistory(t *testing.T) {
	for name, resume := range map[string]*wsrouter.Resume{"resume": {}, "broker alone": nil} {
		t.Run(name, func(t *testing.T) {
			b := broker.New(nil)
			one, two := node(&wsrouter.Options{Broker: b, Resume: resume}), node(&wsrouter.Options{Broker: b, Resume: resume})
			if list := past(t, two.Room("a"), nil); len(list) != 0 {
				t.Errorf("an empty room has %v", list)
			}
			for n := range 2500 {
				sayAll(t, one, "a", n, n+1)
				sayAll(t, one, "b", -n-1, -n)
			}
			for messages, want := range map[int][]int{0: upTo(2400, 2500), 1: upTo(2499, 2500), 50: upTo(2450, 2500), 2400: upTo(100, 2500), 9999: upTo(0, 2500)} {
				list := past(t, two.Room("a"), &wsrouter.HistoryOptions{Messages: messages, Bytes: 1 << 20})
				if got := saidIn(list); !slices.Equal(got, want) {
					t.Errorf("%d messages: %d, want the last %d", messages, got, len(want))
				}
			}
			all := past(t, two.Room("a"), &wsrouter.HistoryOptions{Messages: 5000, Bytes: 1 << 20})
			seen := map[string]bool{}
			for _, p := range all {
				if p.Position.Room != "a" || seen[p.Position.At] {
					t.Fatalf("position %+v", p.Position)
				}
				seen[p.Position.At] = true
				if placed := strings.Contains(string(p.Data), fmt.Sprintf(`"at":%q`, p.Position.At)); placed != (resume != nil) {
					t.Fatalf("%s at %v", p.Data, p.Position)
				}
			}
			for _, bytes := range []int{1, len(all[2499].Data) - 1, len(all[2499].Data), 10 * len(all[2499].Data), 1<<10 + 3} {
				size, list := 0, past(t, two.Room("a"), &wsrouter.HistoryOptions{Messages: 5000, Bytes: bytes})
				for _, p := range list {
					size += len(p.Data)
				}
				next := all[len(all)-len(list)-1]
				if !slices.Equal(saidIn(list), upTo(2500-len(list), 2500)) || size > bytes || size+len(next.Data) <= bytes {
					t.Errorf("%d bytes: %d messages of %d", bytes, len(list), size)
				}
			}
			if list := past(t, two.Room("a"), &wsrouter.HistoryOptions{Messages: 1 << 30}); len(list) == 0 || len(list) > 2500 {
				t.Errorf("%d messages are half an outbox", len(list))
			}
		})
	}
}

// TestHistoryOfTypes: messages of other types are passed over, in whatever number they come.
func TestHistoryOfTypes(t *testing.T) {
	r := node(&wsrouter.Options{Resume: &wsrouter.Resume{}})
	r.Sends(typist{})
	room := r.Room("a")
	for n := range 30 {
		sayAll(t, r, "a", n, n+1)
		for range 120 {
			if err := room.Broadcast(t.Context(), typist{User: "ada"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := saidIn(past(t, room, &wsrouter.HistoryOptions{Messages: 20, Types: []any{said{}}})); !slices.Equal(got, upTo(10, 30)) {
		t.Errorf("said %d", got)
	}
	if got := past(t, room, &wsrouter.HistoryOptions{Messages: 20, Types: []any{&said{}, typist{}}}); len(got) != 20 || got[19].Value != (typist{User: "ada"}) {
		t.Errorf("of both types %v", got)
	}
	for range 10_000 {
		if err := room.Broadcast(t.Context(), typist{User: "ada"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := past(t, room, &wsrouter.HistoryOptions{Types: []any{said{}}}); len(got) != 0 {
		t.Errorf("behind 10,000 others %v", got)
	}
	for _, v := range []any{nil, answer{}, "text"} {
		if _, err := room.History(t.Context(), &wsrouter.HistoryOptions{Types: []any{v}}); !errors.Is(err, wsrouter.ErrUndeclared) {
			t.Errorf("of type %T: %v", v, err)
		}
	}
}

// plainBroker hides what its broker has beyond a Broker.
type plainBroker struct{ broker.Broker }

// TestHistoryFails: with words that say what is missing.
func TestHistoryFails(t *testing.T) {
	closed := broker.New(nil)
	if err := closed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		o    *wsrouter.Options
		room string
		h    *wsrouter.HistoryOptions
		want string
		is   error
	}{
		"no broker":       {t.Context(), &wsrouter.Options{}, "a", nil, "set Options.Broker or Options.Resume", nil},
		"no Recaller":     {t.Context(), &wsrouter.Options{Broker: plainBroker{broker.New(nil)}}, "a", nil, "a wsrouter_test.plainBroker, is no broker.Recaller", nil},
		"closed":          {t.Context(), &wsrouter.Options{Broker: closed}, "a", nil, "", broker.ErrClosed},
		"ctx":             {gone, &wsrouter.Options{Broker: broker.New(nil)}, "a", nil, "", context.Canceled},
		"no name":         {t.Context(), &wsrouter.Options{Broker: broker.New(nil)}, "", nil, "empty", nil},
		"long name":       {t.Context(), &wsrouter.Options{Broker: broker.New(nil)}, strings.Repeat("a", 256), nil, "256 bytes", nil},
		"negative number": {t.Context(), &wsrouter.Options{Broker: broker.New(nil)}, "a", &wsrouter.HistoryOptions{Messages: -1}, "-1 messages", nil},
		"negative bytes":  {t.Context(), &wsrouter.Options{Broker: broker.New(nil)}, "a", &wsrouter.HistoryOptions{Bytes: -1}, "-1 bytes", nil},
	} {
		c.o.Logger = quiet
		list, err := node(c.o).Room(c.room).History(c.ctx, c.h)
		if err == nil || list != nil || !strings.HasPrefix(err.Error(), "wsrouter: History: ") || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// TestHistoryForged: what no router has written is dropped, counted, and logged once a minute, and costs no place of what was.
func TestHistoryForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, rec := broker.New(nil), &recorder{}
		r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Logger: rec.logger(), Resume: &wsrouter.Resume{}})
		r.Sends(said{}, narrow{}, fusedNote{})
		forged := []string{
			"", "\x01", "\x02\x01\x04said\x00{}", "\x01\x01\x04said\x00{", "\x01\x01\x04said\x00null", "\x01\x01\x05other\x00" + `{"type":"other"}`,
			"\x01\x01\x04said\x00" + `{"type":"said","n":"1"}`, "\x01\x01\x06narrow\x00" + `{"type":"narrow","text":"a"}`,
			"\x01\x01\x04said\x00" + `{"type":"said","n":1,"position":{"room":"b","at":"x-1"}}`, "\x01\x02\xe8\x07bye",
			"\x01\x01\x04note\x00" + `{"type":"note","text":"boom"}`, // at which a decoder panics
		}
		for n := range 5 {
			sayAll(t, r, "a", n, n+1)
			for _, data := range forged {
				if _, err := b.Publish(t.Context(), "r/a", []byte(data), broker.PublishOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		list := past(t, r.Room("a"), &wsrouter.HistoryOptions{Messages: 5})
		if got := saidIn(list); !slices.Equal(got, upTo(0, 5)) || len(list) != 5 {
			t.Errorf("said %d of %v", got, list)
		}
		if n := r.Stats().Malformed; n != uint64(5*len(forged)) || len(rec.logs) != 1 {
			t.Errorf("%d malformed of %d, logged %q", n, 5*len(forged), rec.logs)
		}
	})
}

// encodedOnly is a text that can be written and not read.
type encodedOnly struct{ text string }

func (e encodedOnly) MarshalText() ([]byte, error) { return []byte(e.text), nil }

type oneWay struct {
	_    none        `ws:"one_way"`
	Text encodedOnly `json:"text"`
}

// TestHistoryWithoutDecoder: a type that cannot be decoded has no Value, and can be sent again.
func TestHistoryWithoutDecoder(t *testing.T) {
	r := node(&wsrouter.Options{Resume: &wsrouter.Resume{}})
	r.Sends(oneWay{})
	if err := r.Room("a").Broadcast(t.Context(), oneWay{Text: encodedOnly{"hi"}}); err != nil {
		t.Fatal(err)
	}
	list := past(t, r.Room("a"), nil)
	if len(list) != 1 || list[0].Value != nil || !strings.HasPrefix(string(list[0].Data), `{"type":"one_way","text":"hi","position":`) {
		t.Errorf("%+v", list)
	}
}

// TestJoinThenHistory: a client that is told the past behind its Join has every message that was ever broadcast, in the past or live, and knows those that it
// has both ways by their positions.
func TestJoinThenHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 4, 200
		b := broker.New(nil)
		rooms := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Outbox: 4 << 20})
		rooms.Sends(said{})
		rooms.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error {
			room := rooms.Room("a")
			if err := room.Join(c); err != nil {
				return err
			}
			list, err := room.History(ctx, &wsrouter.HistoryOptions{Messages: 10_000})
			for _, p := range list {
				if err := c.Send(ctx, p); err != nil {
					return err
				}
			}
			return err
		})
		other := node(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}})
		var writing, reading sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for n := range each {
					if err := other.Room("a").Broadcast(t.Context(), said{N: w*each + n}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 10 {
			reading.Go(func() {
				c := wstest.Dial(t, rooms, "/")
				wstest.Expect[wsrouter.Joined](c)
				at := map[string]int{}
				for got := map[int]bool{}; len(got) < writers*each; {
					m := heard(t, c)
					if n, twice := at[m.Position.At]; twice && n != m.N || !twice && got[m.N] {
						t.Errorf("%+v, and at that position was %d", m, n)
						return
					}
					at[m.Position.At], got[m.N] = m.N, true
				}
				c.Close()
			})
		}
		writing.Wait()
		reading.Wait()
	})
}

// TestSendPast: a Past is sent as it was, by the router that had it.
func TestSendPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		r, other := node(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}}), node(&wsrouter.Options{Broker: b})
		c := wstest.Dial(t, r, "/?room=a")
		wstest.Expect[wsrouter.Joined](c)
		sayAll(t, r, "a", 7, 8)
		live := string(c.Next().Data)
		p := past(t, r.Room("a"), nil)[0]
		for m := range r.Room("a").Members() {
			if err := m.Send(t.Context(), p); err != nil {
				t.Error(err)
			}
			if m.Send(t.Context(), past(t, other.Room("a"), nil)[0]) == nil || m.Send(t.Context(), wsrouter.Past{}) == nil {
				t.Error("a Past of nobody, or another router, is sent")
			}
		}
		if again := string(c.Next().Data); again != live || again != string(p.Data) {
			t.Errorf("sent %s, live it was %s", again, live)
		}
	})
}
