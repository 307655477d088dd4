package wsrouter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// who is what others see of somebody.
type who struct {
	Name string `json:"name" maxLength:"2000"`
	Age  int    `json:"age,omitzero" minimum:"0"`
}

type (
	presenceChanged = wsrouter.PresenceChanged[who]
	visitorConn     = wsrouter.Conn[visitor]

	// visitor joins Room under Name.
	visitor struct {
		Room string `query:"room" required:"false"`
		Name string `query:"name" required:"false"`
	}
	// echo comes back, behind everything that was sent before.
	echo struct {
		_ none `ws:"echo"`
		N int  `json:"n"`
	}
	// move leaves a room or joins one under another name.
	move struct {
		_     none   `ws:"move"`
		Leave string `json:"leave,omitzero"`
		Join  string `json:"join,omitzero"`
		Name  string `json:"name,omitzero"`
	}
)

// presenceNode is a router with presence.
func presenceNode(o *wsrouter.Options) *wsrouter.Router[visitor] {
	r := wsrouter.New[visitor](o)
	wsrouter.Presence(r, func(c *visitorConn, room string) who { return who{Name: c.Session.Name} })
	r.OnConnect(func(ctx context.Context, c *visitorConn) error {
		if c.Session.Room == "" {
			return nil
		}
		return r.Room(c.Session.Room).Join(c)
	})
	wsrouter.Receive(r, func(ctx context.Context, c *visitorConn, m echo) error { return c.Send(ctx, m) }, wsrouter.Sends(echo{}))
	wsrouter.Receive(r, func(ctx context.Context, c *visitorConn, m move) error {
		if m.Leave != "" {
			r.Room(m.Leave).Leave(c)
		}
		if m.Join == "" {
			return nil
		}
		c.Session.Name = m.Name
		return r.Room(m.Join).Join(c)
	})
	return r
}

// line is a node's way to a broker, which can be cut. It counts subscriptions.
type line struct {
	broker.Broker
	cut  atomic.Bool
	down atomic.Bool

	mu   sync.Mutex
	subs map[string]int
}

func newLine(b broker.Broker) *line { return &line{Broker: b, subs: map[string]int{}} }

func (l *line) Publish(ctx context.Context, topic string, data []byte, o broker.PublishOptions) (broker.Position, error) {
	if l.down.Load() {
		return broker.Position{}, broker.ErrUnavailable
	}
	if l.cut.Load() {
		return broker.Position{Epoch: "e"}, nil
	}
	return l.Broker.Publish(ctx, topic, data, o)
}

func (l *line) Subscribe(ctx context.Context, topic string, h func(broker.Message)) (broker.Position, func() error, error) {
	if l.down.Load() {
		return broker.Position{}, nil, broker.ErrUnavailable
	}
	at, end, err := l.Broker.Subscribe(ctx, topic, func(m broker.Message) {
		if !l.cut.Load() && !l.down.Load() {
			h(m)
		}
	})
	l.count(topic, 1)
	return at, func() error { l.count(topic, -1); return end() }, err
}

func (l *line) count(topic string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.subs[topic] += n; l.subs[topic] == 0 {
		delete(l.subs, topic)
	}
}

func (l *line) topics() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.subs))
}

// guest is a client that keeps what it is told.
type guest struct {
	t      *testing.T
	c      *wstest.Client
	echoes int
	view   map[string]string // names by ID
	heard  []presenceChanged
}

func come(t *testing.T, r *wsrouter.Router[visitor], room, name string) *guest {
	return &guest{t: t, c: wstest.Dial(t, r, "/?room="+room+"&name="+name), view: map[string]string{}}
}

// hear takes in what has come, and returns it.
func (g *guest) hear() (news []presenceChanged) {
	g.t.Helper()
	g.echoes++
	g.c.Send(echo{N: g.echoes})
	for {
		f := g.c.Next()
		var m struct {
			Type string
			presenceChanged
		}
		if err := json.Unmarshal(f.Data, &m); err != nil {
			g.t.Fatal(err)
		}
		switch m.Type {
		case "echo":
			g.heard = append(g.heard, news...)
			return news
		case "presence":
			for _, p := range m.Joined {
				g.view[p.ID] = p.Info.Name
			}
			for _, id := range m.Left {
				delete(g.view, id)
			}
			news = append(news, m.presenceChanged)
		case "joined", "resync":
		default:
			g.t.Fatalf("got %s", f.Data)
		}
	}
}

// sees fails unless these names, sorted, are what the guest has been told.
func (g *guest) sees(names ...string) {
	g.t.Helper()
	g.hear()
	if got := slices.Sorted(maps.Values(g.view)); !slices.Equal(got, names) {
		g.t.Errorf("sees %q, want %q", got, names)
	}
}

// TestPresence: who comes to a room and leaves it is told on all nodes within a second, new members are told who is there, and when all
// have left nothing is left.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		lines := []*line{newLine(b), newLine(b), newLine(b)}
		var nodes []*wsrouter.Router[visitor]
		for _, l := range lines {
			nodes = append(nodes, presenceNode(&wsrouter.Options{Broker: l}))
		}
		ann := come(t, nodes[0], "a", "ann")
		time.Sleep(time.Second)
		ann.sees("ann")
		bob := come(t, nodes[1], "a", "bob")
		other := come(t, nodes[1], "b", "zoe")
		time.Sleep(time.Second)
		ann.sees("ann", "bob")
		time.Sleep(time.Second) // bob's node heard of ann after bob was told
		bob.sees("ann", "bob")
		cid := come(t, nodes[2], "a", "cid")
		dan := come(t, nodes[0], "a", "dan")
		time.Sleep(time.Second)
		ann.sees("ann", "bob", "cid", "dan")
		dan.sees("ann", "bob", "cid", "dan")

		bob.c.Close()
		time.Sleep(time.Second)
		ann.sees("ann", "cid", "dan")
		other.sees("zoe")
		if n := nodes[0].Stats().Present; n != 3 {
			t.Errorf("Stats().Present is %d, want 3", n)
		}

		for _, g := range []*guest{ann, cid, dan, other} {
			g.c.Close()
		}
		time.Sleep(time.Second)
		for i, l := range lines {
			if topics := l.topics(); len(topics) > 0 {
				t.Errorf("node %d is still subscribed to %q", i, topics)
			}
			if n := nodes[i].Stats().Present; n != 0 {
				t.Errorf("node %d still knows %d members", i, n)
			}
		}
	})
}

// TestPresenceFirstWord: a new member of a known room is told of all at once, itself among them, and nobody else is told that again.
func TestPresenceFirstWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := presenceNode(nil)
		ann := come(t, r, "a", "ann")
		time.Sleep(2 * time.Second)
		ann.hear()
		bob := come(t, r, "a", "bob")
		time.Sleep(100 * time.Millisecond)
		first := bob.hear()
		if len(first) != 1 || len(first[0].Joined) != 2 || first[0].Next != "" || first[0].Room != "a" {
			t.Errorf("bob was told %v", first)
		}
		if news := ann.hear(); len(news) != 1 || len(news[0].Joined) != 1 || news[0].Joined[0].Info.Name != "bob" || news[0].Left != nil {
			t.Errorf("ann was told %v", news)
		}
	})
}

// TestPresenceCoalesces: where many come and go, each client hears once in a second and knows all in the end.
func TestPresenceCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: b})
		ann := come(t, one, "a", "ann")
		var guests []*guest
		want := []string{"ann"}
		for i := range 100 {
			name := fmt.Sprintf("n%02d", i)
			guests = append(guests, come(t, two, "a", name))
			time.Sleep(50 * time.Millisecond)
			if i%2 == 0 {
				guests[i/2].c.Close() // the first 50 leave again
			}
			if i >= 50 {
				want = append(want, name)
			}
		}
		if n := len(ann.hear()); n < 4 || n > 7 {
			t.Errorf("ann was told %d times in 5 s", n)
		}
		time.Sleep(1200 * time.Millisecond)
		ann.sees(want...)
		last := guests[99]
		last.sees(want...)
	})
}

// TestPresenceOfTheDead: the members of a node that is not heard of any more are gone in 60 s and a second, and back when it is heard again.
func TestPresenceOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		l := newLine(b)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: l})
		ann, bob := come(t, one, "a", "ann"), come(t, two, "a", "bob")
		time.Sleep(2 * time.Second)
		ann.sees("ann", "bob")
		l.cut.Store(true)
		time.Sleep(34 * time.Second)
		ann.sees("ann", "bob")
		time.Sleep(27 * time.Second)
		ann.sees("ann")
		bob.sees("bob")
		l.cut.Store(false)
		time.Sleep(28 * time.Second)
		ann.sees("ann", "bob")
		bob.sees("ann", "bob")
	})
}

// TestPresenceWithoutBroker: while the broker fails, connections stay and members of the node are told of each other; afterwards all are there again
// within seconds, also those that came in between.
func TestPresenceBrokerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		l := newLine(b)
		quiet := slog.New(slog.DiscardHandler)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: l, Logger: quiet})
		ann, bob := come(t, one, "a", "ann"), come(t, two, "a", "bob")
		time.Sleep(2 * time.Second)
		l.down.Store(true)
		cid := come(t, two, "a", "cid")
		time.Sleep(10 * time.Second)
		bob.sees("ann", "bob", "cid")
		cid.sees("ann", "bob", "cid")
		ann.sees("ann", "bob")
		l.down.Store(false)
		time.Sleep(6 * time.Second)
		ann.sees("ann", "bob", "cid")
	})
}

// TestPresenceShutdown: the members of a node that shuts down are gone within a second.
func TestPresenceShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		l := newLine(b)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: l})
		ann := come(t, one, "a", "ann")
		for range 20 {
			come(t, two, "a", "bob")
			come(t, two, "b", "cid")
		}
		time.Sleep(3 * time.Second)
		if ann.hear(); len(ann.view) != 21 {
			t.Fatalf("ann sees %d, want 21", len(ann.view))
		}
		if err := two.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if topics := l.topics(); len(topics) > 0 {
			t.Errorf("it is still subscribed to %q", topics)
		}
		time.Sleep(time.Second)
		ann.sees("ann")
		if err := two.Shutdown(t.Context()); err != nil {
			t.Errorf("a second Shutdown: %v", err)
		}
	})
}

// TestPresenceShutdownAtOnce: that a node shuts down is one word, within a second of when it began, although its connections close one after the other.
func TestPresenceShutdownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: b})
		ann := come(t, one, "a", "ann")
		for range 200 {
			come(t, two, "a", "bob")
		}
		time.Sleep(3 * time.Second)
		if ann.hear(); len(ann.view) != 201 {
			t.Fatalf("ann sees %d, want 201", len(ann.view))
		}
		heard, began := len(ann.heard), time.Now()
		if err := two.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(began.Add(999 * time.Millisecond)))
		ann.sees("ann")
		if words := len(ann.heard) - heard; words != 1 {
			t.Errorf("ann was told in %d messages, want 1", words)
		}
	})
}

// TestPresenceOfWhoComesBack: a client that comes back, with what it has missed, is one that leaves and one that joins, and nobody hears more of it.
func TestPresenceOfWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one := presenceNode(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}})
		two := presenceNode(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}})
		two.OnResume(func(context.Context, *visitorConn, string) error { return nil })
		ann, bob := come(t, one, "a", "ann"), come(t, two, "a", "bob")
		time.Sleep(3 * time.Second)
		ann.sees("ann", "bob")
		bob.c.Close()
		back := &guest{t: t, c: wstest.Dial(t, two, `/?name=bob&resume={"a":"x-1"}`), view: map[string]string{}}
		time.Sleep(3 * time.Second)
		ann.sees("ann", "bob")
		back.sees("ann", "bob")
		var joined, left int
		for _, m := range ann.heard {
			joined += len(m.Joined)
			left += len(m.Left)
		}
		if joined != 3 || left != 1 {
			t.Errorf("ann was told of %d who joined, want herself and bob twice, and %d who left, want 1", joined, left)
		}
	})
}

// TestPresenceInfo: a second Join changes the info; who leaves and comes back at once is not talked about.
func TestPresenceInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: b})
		ann, bob := come(t, one, "a", "ann"), come(t, two, "a", "bob")
		time.Sleep(3 * time.Second)
		ann.hear()
		bob.c.Send(move{Join: "a", Name: "rob"})
		time.Sleep(time.Second)
		if news := ann.hear(); len(news) != 1 || len(news[0].Joined) != 1 || news[0].Left != nil {
			t.Errorf("ann was told %v", news)
		}
		ann.sees("ann", "rob")
		bob.c.Send(move{Leave: "a", Join: "a", Name: "rob"})
		time.Sleep(2 * time.Second)
		if news := ann.hear(); len(news) != 0 {
			t.Errorf("ann was told %v", news)
		}
		bob.c.Send(move{Leave: "a"})
		time.Sleep(time.Second)
		ann.sees("ann")
	})
}

// TestPresenceRefusesInfo: Join fails with an info that is too long, and with one that breaks its rules; the connection is then not in the room.
func TestPresenceRefusesInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[none](nil)
		info := who{}
		wsrouter.Presence(r, func(*conn, string) who { return info })
		joined := make(chan error, 1)
		r.OnConnect(func(ctx context.Context, c *conn) error {
			joined <- r.Room("a").Join(c)
			return nil
		})
		for _, test := range []struct {
			info who
			want string
		}{
			{who{Name: strings.Repeat("x", 1013)}, ""}, // {"name":""}
			{who{Name: strings.Repeat("x", 1014)}, "1025 bytes"},
			{who{Age: -1}, "/age"},
		} {
			info = test.info
			c := wstest.Dial(t, r, "/")
			err := <-joined
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%d bytes, age %d: error %v, want %q", len(info.Name), info.Age, err, test.want)
			}
			c.Close()
		}
		if s := r.Stats(); s.Members != 0 || s.Present != 0 {
			t.Errorf("%d members, %d present are left", s.Members, s.Present)
		}
	})
}

// TestPresenceRaces: a connection that joins and leaves in many goroutines is present where it is a member.
func TestPresenceRaces(t *testing.T) {
	r := wsrouter.New[none](nil)
	wsrouter.Presence(r, func(*conn, string) string { return "x" })
	members := make(chan *conn, 1)
	r.OnConnect(func(ctx context.Context, c *conn) error { members <- c; return nil })
	wstest.Dial(t, r, "/")
	if err := r.Room("a").Join(<-members); err != nil { // so that the room stays
		t.Fatal(err)
	}
	wstest.Dial(t, r, "/")
	c := <-members
	for range 1000 {
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if err := r.Room("a").Join(c); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() { r.Room("a").Leave(c) })
		}
		group.Wait()
		if s := r.Stats(); s.Present != s.Members {
			t.Fatalf("%d present, but %d members", s.Present, s.Members)
		}
	}
}

// TestWhoIs: pages hold everybody once, on a node with members of the room at once and on one without after a second.
func TestWhoIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		l := newLine(b)
		one, two, three := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: l})
		for i := range 30 {
			come(t, one, "a", fmt.Sprint("x", i))
			come(t, two, "a", fmt.Sprint("y", i))
		}
		time.Sleep(5 * time.Second)
		for name, r := range map[string]*wsrouter.Router[visitor]{"one": one, "three": three} {
			for round, wait := range []time.Duration{time.Second, 0} {
				if r == one {
					wait = 0
				}
				names, ids := map[string]bool{}, []string{}
				begun, pages := time.Now(), 0
				for after := ""; pages == 0 || after != ""; pages++ {
					page, next, err := wsrouter.WhoIs[who](t.Context(), r.Room("a"), after, 7)
					if err != nil {
						t.Fatal(err)
					}
					for _, p := range page {
						names[p.Info.Name] = true
						ids = append(ids, p.ID)
					}
					after = next
				}
				if len(names) != 60 || len(ids) != 60 || pages != 9 {
					t.Errorf("%s, %d: %d names of %d members on %d pages, want 60, 60, 9", name, round, len(names), len(ids), pages)
				}
				if took := time.Since(begun); took < wait || took > wait+100*time.Millisecond {
					t.Errorf("%s, %d: it took %v, want %v", name, round, took, wait)
				}
			}
		}
		if page, next, err := wsrouter.WhoIs[who](t.Context(), one.Room("nobody"), "", 0); len(page) != 0 || next != "" || err != nil {
			t.Errorf("nobody: %v, %q, %v", page, next, err)
		}
		time.Sleep(11 * time.Second)
		if topics := l.topics(); len(topics) > 0 {
			t.Errorf("still subscribed to %q", topics)
		}
		if n := three.Stats().Present; n != 0 {
			t.Errorf("%d members are still known", n)
		}
	})
}

// TestWhoIsFails: each way in which it does.
func TestWhoIsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(broker.New(nil))
		r := presenceNode(&wsrouter.Options{Broker: l, Logger: slog.New(slog.DiscardHandler)})
		without := wsrouter.New[visitor](nil)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		ask := func(ctx context.Context, r *wsrouter.Router[visitor], room, after string) error {
			_, _, err := wsrouter.WhoIs[who](ctx, r.Room(room), after, 10)
			return err
		}
		_, _, other := wsrouter.WhoIs[string](t.Context(), r.Room("a"), "", 10)
		for want, err := range map[string]error{
			"Presence was not called":        ask(t.Context(), without, "a", ""),
			"info of type string":            other,
			`"x" is no ID`:                   ask(t.Context(), r, "a", "x"),
			`"x-01" is no ID`:                ask(t.Context(), r, "a", "x-01"),
			"name is empty":                  ask(t.Context(), r, "", ""),
			"not UTF-8":                      ask(t.Context(), r, "\xff", ""),
			context.DeadlineExceeded.Error(): ask(short, r, "a", ""),
			"wsrouter: WhoIs: " + broker.ErrUnavailable.Error(): func() error { l.down.Store(true); defer l.down.Store(false); return ask(t.Context(), r, "b", "") }(),
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		}
		time.Sleep(20 * time.Second)
		var group sync.WaitGroup
		var failed atomic.Int32
		for i := range 1010 {
			group.Go(func() {
				if ask(t.Context(), r, fmt.Sprint(i), "") != nil {
					failed.Add(1)
				}
			})
		}
		group.Wait()
		if n := failed.Load(); n != 10 {
			t.Errorf("%d of 1,010 rooms were refused, want 10", n)
		}
		time.Sleep(20 * time.Second)
		if topics := l.topics(); len(topics) > 0 {
			t.Errorf("still subscribed to %d topics", len(topics))
		}
	})
}

// TestWhoIsLetGo: who asks about a room is answered although its only member leaves, or the router shuts down, before the broker was told of the room.
func TestWhoIsLetGo(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		t.Run(fmt.Sprint("shutdown=", shutdown), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := presenceNode(&wsrouter.Options{Broker: broker.New(nil)})
				ann := come(t, r, "", "ann")
				ann.c.Send(move{Join: "b"})
				ann.hear() // so that the next look is 5 ms away
				ann.c.Send(move{Join: "a"})
				ann.hear()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				over := make(chan error, 1)
				go func() {
					_, _, err := wsrouter.WhoIs[who](ctx, r.Room("a"), "", 0)
					over <- err
				}()
				synctest.Wait()
				if shutdown {
					if err := r.Shutdown(t.Context()); err != nil {
						t.Fatal(err)
					}
				} else {
					ann.c.Send(move{Leave: "a"})
				}
				if err := <-over; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// slowName takes a while to be shown.
type slowName string

func (s slowName) MarshalText() ([]byte, error) { return []byte(s), nil }
func (s *slowName) UnmarshalText(text []byte) error {
	time.Sleep(5 * time.Millisecond)
	*s = slowName(text)
	return nil
}

// TestPresenceFirstWordInTime: who comes while word of another is made is told of all first, too.
func TestPresenceFirstWordInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type slow struct {
			Name slowName `json:"name"`
		}
		r := wsrouter.New[visitor](nil)
		wsrouter.Presence(r, func(c *visitorConn, room string) slow { return slow{slowName(c.Session.Name)} })
		r.OnConnect(func(ctx context.Context, c *visitorConn) error { return r.Room("a").Join(c) })
		wsrouter.Receive(r, func(ctx context.Context, c *visitorConn, m echo) error { return c.Send(ctx, m) }, wsrouter.Sends(echo{}))
		come(t, r, "a", "ann")
		time.Sleep(5 * time.Second)
		come(t, r, "a", "bob")
		time.Sleep(53 * time.Millisecond)
		cid := come(t, r, "a", "cid")
		time.Sleep(2 * time.Second)
		if first := cid.hear(); len(first) == 0 || len(first[0].Joined) != 3 {
			t.Errorf("cid was told %v", first)
		}
	})
}

// TestPresenceLargeRoom: a member of a room with more than 256 is told of the first and where the others are.
func TestPresenceLargeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := presenceNode(&wsrouter.Options{Broker: b}), presenceNode(&wsrouter.Options{Broker: b})
		early := come(t, one, "a", "early")
		time.Sleep(time.Second)
		for range 300 {
			come(t, two, "a", "bob")
		}
		time.Sleep(5 * time.Second)
		if early.hear(); len(early.view) != 301 {
			t.Errorf("who was there first sees %d, want 301", len(early.view))
		}
		late := come(t, one, "a", "late")
		time.Sleep(1500 * time.Millisecond)
		first := late.hear()
		if len(first) != 1 || len(first[0].Joined) != 256 || first[0].Next == "" {
			t.Fatalf("who came last was told %d words", len(first))
		}
		page, next, err := wsrouter.WhoIs[who](t.Context(), one.Room("a"), first[0].Next, 0)
		if err != nil || len(page) != 46 || next != "" {
			t.Errorf("behind it are %d and %q, %v, want 46", len(page), next, err)
		}
		for _, p := range append(first[0].Joined, page...) {
			late.view[p.ID] = p.Info.Name
		}
		if len(late.view) != 302 {
			t.Errorf("both together are %d, want 302", len(late.view))
		}
	})
}

// TestPresenceForged: what is no message of a router like this is dropped and counted, and no socket sees it.
func TestPresenceForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		r := presenceNode(&wsrouter.Options{Broker: b, Logger: slog.New(slog.DiscardHandler)})
		ann := come(t, r, "a", "ann")
		time.Sleep(2 * time.Second)
		ann.hear()
		for _, data := range []string{
			"", "hello", "\x01\x02",
			"\x01\x02\x02n2\x01\x01\x01\x01\x07\x0f" + `{"name":"x",,,}`,
			"\x01\x02\x02n2\x02\x01\x01\x01\x07\x17" + `{"name":"x","age":-100}`,
		} {
			if _, err := b.Publish(t.Context(), "p/a", []byte(data), broker.PublishOptions{}); err != nil && data != "" {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if news := ann.hear(); len(news) != 0 {
			t.Errorf("ann was told %v", news)
		}
		if n := r.Stats().Malformed; n < 4 {
			t.Errorf("%d were counted as malformed, want 4 at least", n)
		}
	})
}

// TestPresenceDeclared: documents show the message, under the name that Options give it, and a router has one Presence.
func TestPresenceDeclared(t *testing.T) {
	names := func(r *wsrouter.Router[none]) (list []string) {
		for _, m := range r.Describe().Sends {
			list = append(list, m.Name)
		}
		return list
	}
	byName := func(*conn, string) string { return "x" }
	r := wsrouter.New[none](nil)
	wsrouter.Presence(r, byName)
	if got := names(r); !slices.Contains(got, "presence") {
		t.Errorf("it sends %q, want presence", got)
	}
	if text := panicOf(func() { wsrouter.Presence(r, byName) }); !strings.Contains(text, "frozen") {
		t.Errorf("a late Presence: %q", text)
	}
	r = wsrouter.New[none](&wsrouter.Options{Names: map[string]any{"who_is_here": wsrouter.PresenceChanged[string]{}}})
	wsrouter.Presence(r, byName)
	if text := panicOf(func() { wsrouter.Presence(r, byName) }); !strings.Contains(text, "already set") {
		t.Errorf("a second Presence: %q", text)
	}
	if got := names(r); !slices.Contains(got, "who_is_here") || slices.Contains(got, "presence") {
		t.Errorf("it sends %q, want who_is_here", got)
	}
	if text := panicOf(func() { wsrouter.Presence[none, string](wsrouter.New[none](nil), nil) }); !strings.Contains(text, "nil") {
		t.Errorf("Presence of nil: %q", text)
	}
	if text := panicOf(func() {
		wsrouter.Presence(wsrouter.New[none](nil), func(*conn, string) chan int { return nil })
	}); !strings.Contains(text, "chan") {
		t.Errorf("Presence of a channel: %q", text)
	}
}
