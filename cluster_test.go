package wsrouter_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/internal/race"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestExceptAcrossNodes: who is left out is one connection of one node, also for the other node.
func TestExceptAcrossNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		nodes := []*wsrouter.Router[inRoom]{node(&wsrouter.Options{Broker: b}), node(&wsrouter.Options{Broker: b})}
		var clients []*wstest.Client // the first of each node is its connection number 1
		for _, r := range nodes {
			clients = append(clients, wstest.Dial(t, r, "/?room=a"), wstest.Dial(t, r, "/?room=a"))
		}
		synctest.Wait()
		var out *wsrouter.Conn[inRoom]
		for c := range nodes[0].Room("a").Members() {
			out = c
			break
		}
		for n, opts := range [][]wsrouter.BroadcastOption{{wsrouter.Except(out)}, nil} {
			if err := nodes[0].Room("a").Broadcast(t.Context(), said{N: n}, opts...); err != nil {
				t.Fatal(err)
			}
		}
		excepted := 0
		for _, c := range clients {
			switch m := wstest.Expect[said](c); m.N {
			case 1:
				excepted++
			case 0:
				if m := wstest.Expect[said](c); m.N != 1 {
					t.Errorf("then %d", m.N)
				}
			}
		}
		if excepted != 1 {
			t.Errorf("%d connections were left out, want 1", excepted)
		}
	})
}

// TestBroadcastFails: what the broker says of a publish reaches the caller, and what other nodes would refuse is not published.
func TestBroadcastFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(1, nil)
		r := node(&wsrouter.Options{Broker: b})
		room := r.Room("a")
		b.publishFails = 1
		if err := room.Broadcast(t.Context(), said{}); !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("unavailable: %v", err)
		}
		b.publishFails, b.publishUnknown = 0, 1
		if err := room.Broadcast(t.Context(), said{}); !errors.Is(err, broker.ErrUnknownOutcome) {
			t.Errorf("unknown: %v", err)
		}
		b.publishUnknown = 0
		if err := room.Broadcast(t.Context(), answer{}); !errors.Is(err, wsrouter.ErrUndeclared) {
			t.Errorf("undeclared: %v", err)
		}
		if s := r.Stats(); s.Published != 0 || s.PublishFailed != 2 {
			t.Errorf("published %d, failed %d", s.Published, s.PublishFailed)
		}
	})
}

// narrow is a type whose rules a program can break.
type narrow struct {
	_    none   `ws:"narrow"`
	Text string `json:"text" minLength:"3"`
}

func TestBroadcastBreaksRules(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Broker: broker.New(nil)})
	r.Sends(narrow{})
	if err := r.Room("a").Broadcast(t.Context(), narrow{Text: "a"}); err == nil || !strings.Contains(err.Error(), "/text") {
		t.Errorf("got %v", err)
	}
}

// TestJoinFails: Join returns the broker's error, and the next one tries anew.
func TestJoinFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(1, nil)
		b.subscribeFails = 1
		r := wsrouter.New[none](&wsrouter.Options{Broker: b})
		r.Sends(said{})
		joins := make(chan error, 3)
		r.OnConnect(func(ctx context.Context, c *conn) error {
			joins <- r.Room("a").Join(c)
			b.mu.Lock()
			b.subscribeFails = 0
			b.mu.Unlock()
			joins <- r.Room("a").Join(c)
			joins <- r.Room("a").Join(c)
			return nil
		})
		c := wstest.Dial(t, r, "/")
		if err := <-joins; !errors.Is(err, broker.ErrUnavailable) {
			t.Errorf("first: %v", err)
		}
		if err := errors.Join(<-joins, <-joins); err != nil {
			t.Error(err)
		}
		if err := r.Room("a").Broadcast(t.Context(), said{N: 1}); err != nil {
			t.Fatal(err)
		}
		wstest.Expect[said](c)
		c.Close()
		synctest.Wait()
		if b.subs != 0 || r.Stats().Rooms != 0 {
			t.Errorf("%d subscriptions, %d rooms are left", b.subs, r.Stats().Rooms)
		}
	})
}

// TestJoinNeverSubscribes: Join does not wait for ever, nor longer than its connection lives.
func TestJoinNeverSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](&wsrouter.Options{Broker: deaf{broker.New(nil)}})
		joins := make(chan error, 2)
		r.OnConnect(func(ctx context.Context, c *conn) error {
			joins <- r.Room("a").Join(c)
			return nil
		})
		begun := time.Now()
		wstest.Dial(t, r, "/")
		if err := <-joins; !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 11*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		begun = time.Now()
		c := dial(t, r, "/", nil)
		time.Sleep(time.Second)
		c.conn.Close()
		if err := <-joins; !errors.Is(err, wsrouter.ErrClosed) || time.Since(begun) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
	})
}

// TestFirstOfRoomEnds: who waits for a room whose first connection ends meanwhile comes into it all the same, and waits no longer.
func TestFirstOfRoomEnds(t *testing.T) {
	for name, c := range map[string]struct {
		takes, want time.Duration // of Subscribe; until the second one's Join returns
		err         error
	}{
		"slow": {7 * time.Second, 7 * time.Second, nil},
		"deaf": {time.Hour, 10 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &tardy{Broker: broker.New(nil), takes: c.takes}
				r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Logger: quiet})
				r.Sends(said{})
				first, second := make(chan error, 1), make(chan error, 1)
				joins := first
				r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error {
					mine := joins
					mine <- r.Room("a").Join(c)
					return nil
				})
				one := dial(t, r, "/", nil)
				synctest.Wait()
				joins = second
				begun := time.Now()
				two := wstest.Dial(t, r, "/")
				synctest.Wait()
				time.Sleep(2 * time.Second)
				one.conn.Close()
				if err := <-first; !errors.Is(err, wsrouter.ErrClosed) || time.Since(begun) != 2*time.Second {
					t.Errorf("first: after %v: %v", time.Since(begun), err)
				}
				if err := <-second; !errors.Is(err, c.err) || time.Since(begun) != c.want {
					t.Errorf("second: after %v: %v", time.Since(begun), err)
				}
				if c.err == nil {
					if err := r.Room("a").Broadcast(t.Context(), said{N: 1}); err != nil {
						t.Fatal(err)
					}
					wstest.Expect[said](two)
				}
				two.Close()
				synctest.Wait()
				if n := b.open.Load(); n != 0 || r.Stats().Rooms != 0 {
					t.Errorf("%d subscriptions, %d rooms are left", n, r.Stats().Rooms)
				}
			})
		})
	}
}

// tardy is a broker that takes its time to subscribe.
type tardy struct {
	broker.Broker
	takes time.Duration
	open  atomic.Int64
}

func (b *tardy) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	select {
	case <-time.After(b.takes):
	case <-ctx.Done():
		return broker.Position{}, nil, ctx.Err()
	}
	at, unsubscribe, err := b.Broker.Subscribe(ctx, topic, h)
	b.open.Add(1)
	return at, func() error { b.open.Add(-1); return unsubscribe() }, err
}

// deaf is a broker whose Subscribe takes as long as it may.
type deaf struct{ broker.Broker }

func (deaf) Subscribe(ctx context.Context, _ string, _ func(broker.Message)) (broker.Position, func() error, error) {
	<-ctx.Done()
	return broker.Position{}, nil, ctx.Err()
}

// counting counts subscriptions.
type counting struct {
	broker.Broker
	mu       sync.Mutex
	all, now int
}

func (b *counting) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	time.Sleep(10 * time.Millisecond)
	b.mu.Lock()
	b.all++
	b.now++
	b.mu.Unlock()
	at, unsubscribe, err := b.Broker.Subscribe(ctx, topic, h)
	return at, func() error {
		time.Sleep(10 * time.Millisecond)
		b.mu.Lock()
		b.now--
		b.mu.Unlock()
		return unsubscribe()
	}, err
}

func (b *counting) count() (all, now int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all, b.now
}

// TestOneSubscription: who joins a room at the same time shares one subscription, the last who leaves ends it, and who joins while it ends has a new one.
func TestOneSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &counting{Broker: broker.New(nil)}
		r := node(&wsrouter.Options{Broker: b})
		var clients []*wstest.Client
		for range 10 {
			clients = append(clients, wstest.Dial(t, r, "/?room=a"))
		}
		time.Sleep(time.Second)
		if all, now := b.count(); all != 1 || now != 1 {
			t.Errorf("%d subscriptions, %d now", all, now)
		}
		for _, c := range clients {
			c.Close()
		}
		c := wstest.Dial(t, r, "/?room=a") // the other is about to end
		time.Sleep(time.Second)
		if all, now := b.count(); all != 2 || now != 1 {
			t.Errorf("then %d subscriptions, %d now", all, now)
		}
		if err := r.Room("a").Broadcast(t.Context(), said{N: 7}); err != nil {
			t.Fatal(err)
		}
		if m := wstest.Expect[said](c); m.N != 7 {
			t.Errorf("heard %d", m.N)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, now := b.count(); now != 0 {
			t.Errorf("after the shutdown: %d subscriptions", now)
		}
		if _, err := b.Publish(t.Context(), "r/a", nil, broker.PublishOptions{}); err != nil {
			t.Errorf("the broker is closed, which is not the router's: %v", err)
		}
	})
}

// TestLost: a loss is told to the members of its room, before what comes after it, and those who come back from before it start afresh.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &feeding{Broker: broker.New(nil), feeds: map[string]func(broker.Message){}}
		r := resumable(b, wsrouter.Resume{})
		c, other := wstest.Dial(t, r, "/?room=a"), wstest.Dial(t, r, "/?room=b")
		at := wstest.Expect[wsrouter.Joined](c).Position.At
		wstest.Expect[wsrouter.Joined](other)
		say := func(n int) {
			t.Helper()
			if err := r.Room("a").Broadcast(t.Context(), said{N: n}); err != nil {
				t.Fatal(err)
			}
		}
		say(1)
		before := heard(t, c).Position
		epoch, _, _ := strings.Cut(at, "-")
		b.say(broker.Message{Topic: "r/a", Position: broker.Position{Epoch: epoch, Seq: 5}, Lost: true})
		if s := wstest.Expect[wsrouter.Resync](c); s.Reason != "lost" || s.Position.At != epoch+"-5" {
			t.Errorf("resync %+v", s)
		}
		c2 := wstest.Dial(t, r, back("a", before.At))
		if j := wstest.Expect[wsrouter.Joined](c2); *j.Recovered {
			t.Error("recovered over a loss") // Historian of the wrapped broker is hidden
		}
		wstest.Expect[wsrouter.Resync](c2)
		if s := r.Stats(); s.Gaps != 1 || s.Resyncs != 2 {
			t.Errorf("%d gaps, %d resyncs", s.Gaps, s.Resyncs)
		}
		other.Close()
	})
}

// TestAheadOfTheNode: a client that has heard more by another node hears none of it again, whatever this node has to catch up with: a loss, or a new
// epoch.
func TestAheadOfTheNode(t *testing.T) {
	for name, tt := range map[string]struct {
		epoch   string // of what comes; "": the node's
		resyncs int    // that the client hears as it comes
	}{"loss": {"", 0}, "epoch": {"anew", 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &knowing{feeding{Broker: broker.New(nil), feeds: map[string]func(broker.Message){}}}
				r := resumable(b, wsrouter.Resume{})
				behind := wstest.Dial(t, r, "/?room=a")
				at := wstest.Expect[wsrouter.Joined](behind).Position.At
				epoch, _, _ := strings.Cut(at, "-")
				epoch = cmp.Or(tt.epoch, epoch)
				ahead := wstest.Dial(t, r, back("a", epoch+"-5"))
				if j := wstest.Expect[wsrouter.Joined](ahead); *j.Recovered != (tt.resyncs == 0) {
					t.Errorf("joined %+v", j)
				}
				for range tt.resyncs {
					wstest.Expect[wsrouter.Resync](ahead)
				}
				message := func(n uint64) broker.Message {
					data := fmt.Appendf([]byte("\x01\x01\x04said\x00"), `{"type":"said","n":%d}`, n)
					return broker.Message{Topic: "r/a", Position: broker.Position{Epoch: epoch, Seq: n, Prev: n - 1}, Data: data}
				}
				lost := message(3)
				lost.Data, lost.Lost = nil, true
				b.say(lost)
				for n := uint64(4); n <= 7; n++ {
					b.say(message(n))
				}
				if s := wstest.Expect[wsrouter.Resync](behind); s.Position.At != epoch+"-3" {
					t.Errorf("resync %+v", s)
				}
				for n := 4; n <= 7; n++ {
					if m := heard(t, behind); m.N != n {
						t.Errorf("who is behind heard %+v, want %d", m, n)
					}
				}
				for n := 6; n <= 7; n++ {
					if m := heard(t, ahead); m.N != n || m.Position.At != fmt.Sprintf("%s-%d", epoch, n) {
						t.Errorf("who is ahead heard %+v, want %d", m, n)
					}
				}
			})
		})
	}
}

// knowing is feeding with a history in which there is every position, and nothing after it.
type knowing struct{ feeding }

func (b *knowing) History(context.Context, string, broker.Position, int) ([]broker.Message, error) {
	return nil, nil
}

// feeding lets a test say something to the subscribers.
type feeding struct {
	broker.Broker
	mu    sync.Mutex
	feeds map[string]func(broker.Message)
}

// say says m to its topic, whose messages have all been delivered.
func (b *feeding) say(m broker.Message) {
	b.mu.Lock()
	h := b.feeds[m.Topic]
	b.mu.Unlock()
	h(m)
}

func (b *feeding) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	b.mu.Lock()
	b.feeds[topic] = h
	b.mu.Unlock()
	return b.Broker.Subscribe(ctx, topic, h)
}

// TestForged: what is no message of a router like this one reaches nobody, is counted, and logged once a minute.
func TestForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		rec := &recorder{}
		r := wsrouter.New[inRoom](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: rec.logger()})
		r.Sends(said{}, narrow{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })
		c := wstest.Dial(t, r, "/")
		wstest.Expect[wsrouter.Joined](c)
		bad := []string{
			"", "\x01", "\x02\x01\x04said\x00{}", "\x01\x09", "\x01\x01\x05said\x00", "\x01\x01\x04said\xff", "\x01\x01\x04said\x01short",
			"\x01\x01\x04said\x00", "\x01\x01\x04said\x00{", "\x01\x01\x04said\x00[]", "\x01\x01\x04said\x00null",
			`` + "\x01\x01\x05other\x00" + `{"type":"other"}`,
			"\x01\x01\x04said\x00" + `{"type":"other","n":1}`,
			"\x01\x01\x04said\x00" + `{"type":"said","n":"1"}`,
			"\x01\x01\x06narrow\x00" + `{"type":"narrow","text":"a"}`,
			"\x01\x01\x04said\x00" + `{"type":"said","n":1,"position":{"room":"b","at":"x-1"}}`,
			"\x01\x02\xe8\x07bye", // a room cannot be closed
			"\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01said",
		}
		for _, data := range bad {
			if _, err := b.Publish(t.Context(), "r/a", []byte(data), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Publish(t.Context(), "r/a", []byte("\x01\x01\x04said\x00"+`{"type":"said","n":9 } `), broker.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
		if m := heard(t, c); m.N != 9 || m.Position.Room != "a" {
			t.Errorf("heard %+v", m)
		}
		if s := r.Stats(); s.Malformed != uint64(len(bad)) {
			t.Errorf("%d malformed, want %d", s.Malformed, len(bad))
		}
		if len(rec.logs) != 1 {
			t.Errorf("logged %q", rec.logs)
		}
		time.Sleep(time.Minute)
		for range 2 {
			if _, err := b.Publish(t.Context(), "r/a", []byte("again"), broker.PublishOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := r.Stats(); s.Malformed != uint64(len(bad)+2) || len(rec.logs) != 2 {
			t.Errorf("a minute later: %d malformed, logged %q", s.Malformed, rec.logs)
		}
	})
}

// TestUsers: SendTo and CloseUser reach a user's connections on all nodes, and nobody else's.
func TestUsers(t *testing.T) {
	for _, cluster := range []bool{true, false} {
		t.Run(fmt.Sprint("cluster=", cluster), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { testUsers(t, cluster) }) })
	}
}

type asUser struct {
	User string `query:"user"`
}

func testUsers(t *testing.T, cluster bool) {
	o := &wsrouter.Options{}
	if cluster {
		o.Broker = broker.New(nil)
	}
	newNode := func() *wsrouter.Router[asUser] {
		r := wsrouter.New[asUser](o)
		r.Sends(said{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[asUser]) error {
			if err := c.SetUser("somebody before"); err != nil {
				return err
			}
			return c.SetUser(c.Session.User)
		})
		return r
	}
	one := newNode()
	two := one
	if cluster {
		two = newNode()
	}
	a1, a2, other := wstest.Dial(t, one, "/?user=a"), wstest.Dial(t, two, "/?user=a"), wstest.Dial(t, two, "/?user=b")
	synctest.Wait()
	for n, user := range []string{"a", "somebody before", "nobody", "a", "b"} {
		if err := one.SendTo(t.Context(), user, said{N: n}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*wstest.Client{a1, a2} {
		if m, n := wstest.Expect[said](c), wstest.Expect[said](c); m.N != 0 || n.N != 3 {
			t.Errorf("heard %d and %d", m.N, n.N)
		}
	}
	if err := one.SendTo(t.Context(), "a", said{N: 9}); err != nil {
		t.Fatal(err)
	}
	if err := one.CloseUser(t.Context(), "a", 4003, "banned"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*wstest.Client{a1, a2} {
		wstest.Expect[said](c)
		if reason := c.ExpectClose(4003); reason != "banned" {
			t.Errorf("reason %q", reason)
		}
	}
	if m := wstest.Expect[said](other); m.N != 4 {
		t.Errorf("another heard %d", m.N)
	}
	if s := one.Stats(); s.Rooms != 0 || s.Members != 0 {
		t.Errorf("users count as rooms: %+v", s)
	}
	for _, user := range []string{"", strings.Repeat("a", 256)} {
		if one.SendTo(t.Context(), user, said{}) == nil || one.CloseUser(t.Context(), user, 1000, "") == nil {
			t.Errorf("a user of %d bytes is taken", len(user))
		}
	}
	if one.CloseUser(t.Context(), "a", 1006, "") == nil || one.CloseUser(t.Context(), "a", 1000, strings.Repeat("a", 124)) == nil {
		t.Error("a code or a reason that may not be sent is taken")
	}
}

// TestUsersAtOnce: of users that are set at the same time one is left, and rooms have nothing to do with it.
func TestUsersAtOnce(t *testing.T) {
	for _, cluster := range []bool{true, false} {
		t.Run(fmt.Sprint("cluster=", cluster), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &wsrouter.Options{}
				if cluster {
					o.Broker = broker.New(nil)
				}
				r := wsrouter.New[none](o)
				r.Sends(said{})
				const users = 16
				r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[none]) error {
					errs := []error{r.Room("a").Join(c)}
					var all sync.WaitGroup
					var mu sync.Mutex
					for i := range users {
						all.Go(func() {
							err := c.SetUser(fmt.Sprint("user ", i))
							mu.Lock()
							defer mu.Unlock()
							errs = append(errs, err)
						})
					}
					all.Wait()
					return errors.Join(errs...)
				})
				c := wstest.Dial(t, r, "/")
				synctest.Wait()
				for i := range users {
					if err := r.SendTo(t.Context(), fmt.Sprint("user ", i), said{N: i}); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait() // a broker promises no order between a user's messages and a room's
				if err := r.Room("a").Broadcast(t.Context(), said{N: users}); err != nil {
					t.Fatal(err)
				}
				if first, second := wstest.Expect[said](c), wstest.Expect[said](c); first.N >= users || second.N != users {
					t.Errorf("heard %d and %d, want one of a user and the room's", first.N, second.N)
				}
			})
		})
	}
}

// heldBack is a broker whose messages wait until somebody has them delivered, all at once.
type heldBack struct {
	broker.Broker
	mu      sync.Mutex
	waiting []broker.Message
	h       func([]broker.Message)
}

func (b *heldBack) SubscribeBatches(ctx context.Context, topic string, h func([]broker.Message)) (broker.Position, func() error, error) {
	b.h = h
	return b.Subscribe(ctx, topic, func(m broker.Message) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting = append(b.waiting, m)
	})
}

// TestCloseUserBehindTooMuch: a user whose messages are more than a node keeps loses them, and is closed all the same.
func TestCloseUserBehindTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &heldBack{Broker: broker.New(nil)}
		r := wsrouter.New[none](&wsrouter.Options{Broker: b})
		type long struct {
			_   none   `ws:"long"`
			Pad string `json:"pad"`
		}
		r.Sends(long{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[none]) error { return c.SetUser("u") })
		c := wstest.Dial(t, r, "/")
		for range 100 {
			if err := r.SendTo(t.Context(), "u", long{Pad: strings.Repeat("x", 100_000)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.CloseUser(t.Context(), "u", 4000, "banned"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.h(b.waiting)
		if reason := c.ExpectClose(4000); reason != "banned" {
			t.Errorf("closed with %q", reason)
		}
	})
}

// TestRoomLimits: names and the number of rooms are bounded, with and without a broker.
func TestRoomLimits(t *testing.T) {
	for _, o := range []*wsrouter.Options{{}, {Resume: &wsrouter.Resume{}}} {
		synctest.Test(t, func(t *testing.T) {
			r := wsrouter.New[none](o)
			r.Sends(said{})
			r.OnConnect(func(ctx context.Context, c *conn) error {
				for _, name := range []string{"", strings.Repeat("a", 256)} {
					if r.Room(name).Join(c) == nil || r.Room(name).Broadcast(ctx, said{}) == nil {
						t.Errorf("a name of %d bytes is taken", len(name))
					}
				}
				if err := r.Room("\xff").Join(c); (err == nil) == (o.Resume != nil) {
					t.Errorf("a name that is not UTF-8: %v", err)
				}
				r.Room("\xff").Leave(c)
				if err := c.SetUser("somebody"); err != nil {
					t.Error(err)
				}
				for i := range 128 {
					if err := r.Room(strings.Repeat("a", 100+i)).Join(c); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.Room("b").Join(c); err == nil || !strings.Contains(err.Error(), "128 rooms") {
					t.Errorf("room 129: %v", err)
				}
				r.Room(strings.Repeat("a", 100)).Leave(c)
				if err := r.Room("b").Join(c); err != nil {
					t.Error(err)
				}
				return nil
			})
			c := wstest.Dial(t, r, "/")
			synctest.Wait()
			if s := r.Stats(); s.Rooms != 128 || s.Members != 128 {
				t.Errorf("%d rooms, %d members", s.Rooms, s.Members)
			}
			c.Close()
			if err := r.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestResumeParam: what does not parse is a 400 and says why.
func TestResumeParam(t *testing.T) {
	r := node(&wsrouter.Options{Resume: &wsrouter.Resume{}, Logger: quiet})
	many := map[string]string{}
	for i := range 129 {
		many[fmt.Sprint(i)] = "a-1"
	}
	for name, query := range map[string]string{
		"text": "a", "null": "null", "list": "[]", "nested": `{"a":{}}`, "number": `{"a":1}`, "twice a room": `{"a":"x-1","a":"x-2"}`,
		"no name": `{"":"x-1"}`, "long name": `{"` + strings.Repeat("a", 256) + `":"x-1"}`, "129 rooms": string(must(json.Marshal(many))),
		"9 KiB": `{"a":"` + strings.Repeat("a", 9<<10) + `"}`, "not UTF-8": "{\"\xff\":\"x-1\"}", "two values": `{"a":"x-1"}{}`,
	} {
		res := wstest.Refused(t, r, "/?resume="+url.QueryEscape(query))
		if body := bodyOf(res); res.StatusCode != 400 || !strings.Contains(body, `"/query/resume"`) {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	for name, query := range map[string]string{
		"twice": "resume=%7B%7D&resume=%7B%7D", "no percent": "resume=%zz", "semicolon": "a=b&resume=%7B%22a;b%22:%22x-1%22%7D", "escaped name": "%72esume=%",
	} {
		if res := wstest.Refused(t, r, "/?"+query); res.StatusCode != 400 || !strings.Contains(bodyOf(res), `"/query/resume"`) {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	wstest.Dial(t, r, "/?resume=").Close() // it knows none yet
	wstest.Dial(t, r, "/?resume="+url.QueryEscape(`{}`)).Close()
	wstest.Dial(t, r, "/?resume="+url.QueryEscape(`{"a":"x-1"}`)).Close() // nobody joins it
}

// TestOnResume: rooms that OnConnect has not joined are asked for, and a refusal says no more than that there is nothing.
func TestOnResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resumable(nil, wsrouter.Resume{})
		var asked []string
		r.OnResume(func(_ context.Context, _ *wsrouter.Conn[inRoom], room string) error {
			asked = append(asked, room)
			switch room {
			case "open":
				return nil
			case "unknown":
				return errors.New("no such room")
			}
			return wsrouter.Errorf("forbidden", "this is the secret: %s", room)
		})
		c := wstest.Dial(t, r, "/?room=a&resume="+url.QueryEscape(`{"a":"x-1","open":"x-1","secret":"x-1","unknown":"x-1"}`))
		for _, room := range []string{"a", "open"} {
			if j := wstest.Expect[wsrouter.Joined](c); j.Room != room || *j.Recovered {
				t.Errorf("joined %+v", j)
			}
			if s := wstest.Expect[wsrouter.Resync](c); s.Room != room || s.Reason != "epoch" {
				t.Errorf("resync %+v", s)
			}
		}
		for _, room := range []string{"secret", "unknown"} {
			if f := c.Next(); string(f.Data) != `{"type":"resync","room":"`+room+`","reason":"refused"}` {
				t.Errorf("got %s", f.Data)
			}
		}
		if !slices.Equal(asked, []string{"open", "secret", "unknown"}) {
			t.Errorf("asked for %q", asked)
		}
	})
}

// TestOnResumeCloses: a hook that closes is not a refusal, so that the client keeps its positions.
func TestOnResumeCloses(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		code int
	}{
		"later":  {fmt.Errorf("who may: %w", wsrouter.Close(1013, "ask later")), 1013},
		"broker": {fmt.Errorf("who may: %w", broker.ErrUnavailable), 1013},
		"gone":   {wsrouter.Close(4003, "banned"), 4003},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := &recorder{}
				r := node(&wsrouter.Options{Resume: &wsrouter.Resume{}, Logger: rec.logger()})
				r.OnResume(func(context.Context, *wsrouter.Conn[inRoom], string) error { return tt.err })
				for range 3 {
					c := wstest.Dial(t, r, "/?resume="+url.QueryEscape(`{"a":"x-1"}`))
					c.ExpectClose(tt.code)
				}
				if len(rec.logs) > 1 {
					t.Errorf("logged %d times for three clients: %q", len(rec.logs), rec.logs)
				}
			})
		})
	}
}

// TestOverruns: 10,000 clients that have missed one message more than is kept are told so; 10,000 that have missed just as many have them all.
func TestOverruns(t *testing.T) {
	const kept = 5
	synctest.Test(t, func(t *testing.T) {
		for _, fromBroker := range []bool{false, true} {
			b := broker.New(&broker.Options{Messages: kept})
			r := resumable(b, wsrouter.Resume{Messages: kept})
			if !fromBroker { // somebody is there, so that the node itself remembers
				go dial(t, r, "/?room=a", nil).read()
				synctest.Wait()
			}
			var at []broker.Position
			for n := range kept + 1 + race.Part(500) {
				say(t, b, r, n, &at)
				synctest.Wait()
				i := len(at) - 1
				if i <= kept {
					continue
				}
				for range 10 {
					over := visit(t, r, at[i-kept-1])
					if len(over) != 2 || !strings.Contains(over[0], `"recovered":false`) || !strings.Contains(over[1], `"resync"`) {
						t.Fatalf("overrun: %q", over)
					}
					just := visit(t, r, at[i-kept])
					if len(just) != kept+1 || !strings.Contains(just[0], `"recovered":true`) || !strings.Contains(just[kept], fmt.Sprintf(`"n":%d,`, n)) {
						t.Fatalf("no overrun: %q", just)
					}
				}
			}
			if err := r.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// say broadcasts n and notes where that stands: r's room is the only topic of b.
func say(t *testing.T, b broker.Broker, r *wsrouter.Router[inRoom], n int, at *[]broker.Position) {
	t.Helper()
	if err := r.Room("a").Broadcast(t.Context(), said{N: n}); err != nil {
		t.Fatal(err)
	}
	p, unsubscribe, err := b.Subscribe(t.Context(), "elsewhere", func(broker.Message) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := unsubscribe(); err != nil {
		t.Fatal(err)
	}
	*at = append(*at, p)
}

// visit returns what somebody hears who comes back from p.
func visit(t *testing.T, r *wsrouter.Router[inRoom], p broker.Position) []string {
	t.Helper()
	c := dial(t, r, back("a", fmt.Sprint(p.Epoch, "-", p.Seq)), nil)
	go c.read()
	time.Sleep(150 * time.Millisecond)
	got := c.got()
	c.close()
	<-c.done
	return got
}

// TestJoinWhileBroadcasting: joins, leaves, broadcasts and ends of many goroutines leave nothing behind, and who is in hears all in order.
func TestJoinWhileBroadcasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		r := resumable(b, wsrouter.Resume{Messages: 50})
		stop := make(chan struct{})
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					if err := r.Room("a").Broadcast(context.Background(), said{N: i<<20 + n}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		var visitors sync.WaitGroup
		for i := range 20 {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			visitors.Go(func() {
				for range 20 {
					c := dial(t, r, "/?room=a", nil)
					go c.read()
					time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond)
					for m := range r.Room("a").Members() {
						if rnd.IntN(20) == 0 {
							r.Room("a").Leave(m)
							_ = r.Room("a").Join(m) // it may have ended
						}
					}
					c.conn.Close()
					<-c.done
					inOrder(t, c.got())
				}
			})
		}
		visitors.Wait()
		close(stop)
		all.Wait()
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if s := r.Stats(); s.Rooms != 0 || s.Members != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// inOrder fails if of what one goroutine has said something comes twice, or too early.
func inOrder(t *testing.T, frames []string) {
	t.Helper()
	last := map[int]int{}
	for _, f := range frames {
		var m placed
		if json.Unmarshal([]byte(f), &m) != nil || m.Type != "said" {
			continue
		}
		who, n := m.N>>20, m.N&(1<<20-1)
		if before, ok := last[who]; ok && n <= before {
			t.Errorf("%d of %d comes after %d", n, who, before)
		}
		last[who] = n
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func bodyOf(res *http.Response) string { return string(must(io.ReadAll(res.Body))) }
