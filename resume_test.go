package wsrouter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// TestResumeDescribed: documents show the parameter, the position in what rooms may send, and the messages of the router itself.
func TestResumeDescribed(t *testing.T) {
	r := wsrouter.New[none](&wsrouter.Options{Resume: &wsrouter.Resume{Param: "since", Member: "pos"}, Names: map[string]any{"room_joined": wsrouter.Joined{}}})
	r.Sends(said{}, cursor{}, "")
	wsrouter.Receive(r, func(context.Context, *conn, question) error { return nil }, wsrouter.Sends(answer{}))
	spec := r.Describe()
	if !slices.ContainsFunc(spec.Params, func(p wsrouter.Param) bool { return p.Name == "since" && p.In == "query" && !p.Required }) {
		t.Errorf("parameters %+v", spec.Params)
	}
	positioned := map[string]bool{}
	all := append(slices.Clone(spec.Sends), spec.Receives[0].Sends...)
	for _, m := range append(all, spec.Receives[0].Message, spec.Error) {
		var s struct {
			Properties map[string]json.RawMessage
			Required   []string
		}
		if err := json.Unmarshal(m.Schema, &s); err != nil {
			t.Fatal(err)
		}
		_, positioned[m.Name] = s.Properties["pos"]
		if slices.Contains(s.Required, "pos") {
			t.Errorf("%s requires it", m.Name)
		}
	}
	want := map[string]bool{"said": true, "answer": true, "cursor": false, "text": false, "question": false, "error": false, "room_joined": false, "resync": false}
	if fmt.Sprint(positioned) != fmt.Sprint(want) {
		t.Errorf("positions in %v, want %v", positioned, want)
	}
	for _, m := range wsrouter.New[none](nil).Describe().Sends {
		t.Errorf("without Resume there is %s", m.Name)
	}
}

// located has a member of its own where positions usually stand.
type located struct {
	_        none `ws:"located"`
	Position int  `json:"position"`
}

// TestResumeRefused: what does not go together stops the program at its start.
func TestResumeRefused(t *testing.T) {
	for name, o := range map[string]*wsrouter.Options{
		"type":                {Resume: &wsrouter.Resume{Member: "type"}},
		"data":                {Payload: "data", Resume: &wsrouter.Resume{Member: "data"}},
		`"id"`:                {Resume: &wsrouter.Resume{Member: "id"}},
		"Resume.Param":        {Resume: &wsrouter.Resume{Param: "a b"}},
		"Resume.Messages":     {Resume: &wsrouter.Resume{Messages: -1}},
		"at most Outbox":      {Resume: &wsrouter.Resume{Bytes: 1 << 20}},
		"needs OverflowClose": {Overflow: wsrouter.OverflowDropOldest, Resume: &wsrouter.Resume{}},
	} {
		if p := panicOf(func() { wsrouter.New[none](o) }); !strings.Contains(p, name) {
			t.Errorf("%s: %q", name, p)
		}
	}
	if p := panicOf(func() {
		wsrouter.New[struct {
			At string `query:"resume"`
		}](&wsrouter.Options{Resume: &wsrouter.Resume{}})
	}); !strings.Contains(p, `"resume"`) {
		t.Errorf("a parameter of the session: %q", p)
	}
	r := wsrouter.New[none](&wsrouter.Options{Resume: &wsrouter.Resume{}})
	r.Sends(located{})
	if p := panicOf(func() { r.Describe() }); !strings.Contains(p, "Resume.Member") || !strings.Contains(p, "located") {
		t.Errorf("a member of its own: %q", p)
	}
	r = wsrouter.New[none](&wsrouter.Options{Resume: &wsrouter.Resume{Member: "seen"}})
	r.Sends(located{})
	r.Describe()
	if p := panicOf(func() {
		wsrouter.New[none](nil).OnResume(func(context.Context, *conn, string) error { return nil })
	}); !strings.Contains(p, "Options.Resume is nil") {
		t.Errorf("OnResume: %q", p)
	}
}

// TestResumeLatest: of messages that replace each other who comes back hears the newest of each key, in its place, and no position that would
// skip what waits behind it.
func TestResumeLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[inRoom](&wsrouter.Options{Resume: &wsrouter.Resume{}})
		r.Sends(said{}, cursor{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })
		stays := wstest.Dial(t, r, "/")
		at := wstest.Expect[wsrouter.Joined](stays).Position.At
		for _, m := range []any{cursor{User: "u", X: 1}, said{N: 1}, cursor{User: "v", X: 2}, cursor{User: "u", X: 3}, said{N: 2}} {
			if err := r.Room("a").Broadcast(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		c := dial(t, r, back("a", at), nil)
		go c.read()
		synctest.Wait()
		var kinds []string
		for _, text := range c.got() {
			var m struct {
				Type     string
				N, X     int
				Missed   int
				Position *wsrouter.RoomPosition
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, fmt.Sprintf("%s %d %t", m.Type, m.N+m.X+m.Missed, m.Position != nil))
		}
		if got, want := strings.Join(kinds, ", "), "joined 4 true, said 1 true, cursor 2 false, cursor 3 false, said 2 true"; got != want {
			t.Errorf("heard %s\n want %s", got, want)
		}
		c.close()
	})
}

// TestReplayRate: replays of all clients together are spread over time, and none is cut.
func TestReplayRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := wsrouter.New[inRoom](&wsrouter.Options{Resume: &wsrouter.Resume{Rate: 50_000}})
		r.Sends(answer{})
		r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })
		stays := dial(t, r, "/", nil)
		go stays.read()
		synctest.Wait()
		var first wsrouter.Joined
		if err := json.Unmarshal([]byte(stays.got()[0]), &first); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := r.Room("a").Broadcast(t.Context(), answer{Text: strings.Repeat("a", 1000)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		begun := time.Now()
		var clients []*peer
		for range 5 {
			c := dial(t, r, back("a", first.Position.At), nil)
			go c.read()
			clients = append(clients, c)
		}
		complete := func() (n int) {
			for _, c := range clients {
				switch got := len(c.got()); got {
				case 0:
				case 51:
					n++
				default:
					t.Errorf("%d frames", got)
				}
			}
			return n
		}
		time.Sleep(500 * time.Millisecond)
		if n := complete(); n != 1 {
			t.Errorf("after %v %d have their replay", time.Since(begun), n)
		}
		time.Sleep(5 * time.Second)
		if n := complete(); n != 5 {
			t.Errorf("after %v %d have their replay", time.Since(begun), n)
		}
	})
}

// positions says n messages to the room a, and returns where that stood before each and after the last.
func positions(t *testing.T, r *wsrouter.Router[inRoom], n int) (at []string) {
	t.Helper()
	c := wstest.Dial(t, r, "/?room=a")
	at = append(at, wstest.Expect[wsrouter.Joined](c).Position.At)
	for i := range n {
		if err := r.Room("a").Broadcast(t.Context(), said{N: i}); err != nil {
			t.Fatal(err)
		}
		at = append(at, heard(t, c).Position.At)
	}
	return at
}

// TestManyResume: those who come back at once to a node that knows nothing share what it asks the broker.
func TestManyResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(1, nil)
		one, two := resumable(b, wsrouter.Resume{}), resumable(b, wsrouter.Resume{})
		at := positions(t, one, 200)
		var clients []*peer
		for i := range 200 {
			p := dial(t, two, back("a", at[199-i]), nil)
			go p.read()
			clients = append(clients, p)
		}
		time.Sleep(time.Second)
		for i, p := range clients {
			if got := p.got(); len(got) != i+2 || !strings.Contains(got[0], `"recovered":true`) {
				t.Fatalf("client %d has %d frames: %.200q", i, len(got), got)
			}
		}
		if n := len(b.histories["r/a"]); n > 3 {
			t.Errorf("the history was asked for %d times", n)
		}
	})
}

// TestManyOverruns: those who have missed more than is kept do not keep the others waiting, each for a question of its own.
func TestManyOverruns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, kept = 100, 20
		b := newFlaky(1, &broker.Options{Messages: kept})
		one, two := resumable(b, wsrouter.Resume{}), resumable(b, wsrouter.Resume{})
		at := positions(t, one, all)
		begun := time.Now()
		var clients []*wstest.Client
		for i := range all {
			clients = append(clients, wstest.Dial(t, two, back("a", at[i])))
		}
		for i, c := range clients {
			if j := wstest.Expect[wsrouter.Joined](c); *j.Recovered != (i >= all-kept) {
				t.Errorf("who comes from %d has recovered: %v", i, *j.Recovered)
			}
		}
		if took := time.Since(begun); took > 1500*time.Millisecond {
			t.Errorf("the last one hears of it after %v", took)
		}
		if n := len(b.histories["r/a"]); n > 15 {
			t.Errorf("the history was asked for %d times", n)
		}
	})
}

// TestResumeAtOnce: who comes back to a node that knows nothing has its replay with the broker's answer, and who comes back next, from before it,
// when the broker may be asked again.
func TestResumeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(1, nil)
		one, two := resumable(b, wsrouter.Resume{}), resumable(b, wsrouter.Resume{})
		at := positions(t, one, 3)
		begun := time.Now()
		returns := func(at string, missed int, after time.Duration) {
			t.Helper()
			p := wstest.Dial(t, two, back("a", at))
			if j := wstest.Expect[wsrouter.Joined](p); j.Missed != missed {
				t.Errorf("from %s %d are missed, want %d", at, j.Missed, missed)
			}
			if took := time.Since(begun); took != after {
				t.Errorf("from %s it is heard after %v, want %v", at, took, after)
			}
		}
		returns(at[2], 1, 0)
		returns(at[2], 1, 0)
		returns(at[0], 3, 100*time.Millisecond)
	})
}

// TestResumeBrokerFails: who cannot be told because the broker cannot be asked is not told anything, but closed to try again.
func TestResumeBrokerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(1, nil)
		b.historyFails = 1
		r := node(&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}, Logger: quiet})
		r.OnResume(func(context.Context, *wsrouter.Conn[inRoom], string) error { return nil })
		p, _, err := b.Broker.Subscribe(t.Context(), "r/a", func(broker.Message) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Room("a").Broadcast(t.Context(), said{}); err != nil {
			t.Fatal(err)
		}
		c := dial(t, r, "/?resume="+url.QueryEscape(fmt.Sprintf(`{"a":"%s-%d"}`, p.Epoch, p.Seq)), nil)
		go c.read()
		time.Sleep(time.Second)
		if got := c.got(); len(got) != 1 || got[0] != "close 1013 try again later" {
			t.Errorf("got %q", got)
		}
	})
}

// TestHealth: a broker that cannot be reached is told of, and the sockets stay.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		b := broker.New(nil)
		r := node(&wsrouter.Options{Broker: b, Logger: rec.logger()})
		c := wstest.Dial(t, r, "/?room=a")
		synctest.Wait()
		if err := r.Health(); err != nil || r.Stats().BrokerDown {
			t.Error(err)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.Health() == nil || !r.Stats().BrokerDown || len(rec.logs) != 1 {
			t.Errorf("health %v, logged %q", r.Health(), rec.logs)
		}
		if r.Room("a").Broadcast(t.Context(), said{}) == nil {
			t.Error("a broadcast is taken")
		}
		if s := r.Stats(); s.Conns != 1 || s.Members != 1 {
			t.Errorf("%d connections, %d members", s.Conns, s.Members)
		}
		c.Close()
	})
}

// TestBurst: what comes together leaves together, to who reads at once, late, and compressed, whole and in order, and is counted right.
func TestBurst(t *testing.T) {
	for name, o := range map[string]*websocket.DialOptions{"plain": {}, "compressed": {CompressionMode: websocket.CompressionNoContextTakeover}} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%t", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := wsrouter.New[inRoom](&wsrouter.Options{Broker: broker.New(nil), Compression: &wsrouter.Compression{}})
					r.Sends(answer{})
					var c *wsrouter.Conn[inRoom]
					r.OnConnect(func(ctx context.Context, in *wsrouter.Conn[inRoom]) error {
						c = in
						return r.Room("a").Join(in)
					})
					p := dialWith(t, r, "/", o)
					if !late {
						go p.read()
					}
					synctest.Wait()
					var want []string
					for i := range 40 {
						text := strings.Repeat(fmt.Sprint(i, " "), i*10)
						want = append(want, `{"type":"answer","text":"`+text+`"}`)
						if err := r.Room("a").Broadcast(t.Context(), answer{Text: text}); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Second)
					want = append(want, `{"type":"answer","text":"last"}`)
					if err := c.Send(t.Context(), answer{Text: "last"}); err != nil {
						t.Fatal(err)
					}
					if late {
						go p.read()
					}
					time.Sleep(time.Second)
					if got := p.got(); !slices.Equal(got, want) {
						t.Errorf("got %d frames, want %d: %.300q", len(got), len(want), got)
					}
					if s := r.Stats(); s.BytesBuffered != 0 || s.Sent != uint64(len(want)) {
						t.Errorf("%d bytes wait, %d were sent", s.BytesBuffered, s.Sent)
					}
					p.close()
				})
			})
		}
	}
}

// TestSlowMember: under OverflowWait a member that does not read is closed, and nobody waits for it.
func TestSlowMember(t *testing.T) {
	for _, overflow := range []wsrouter.Overflow{wsrouter.OverflowClose, wsrouter.OverflowWait} {
		synctest.Test(t, func(t *testing.T) {
			r := wsrouter.New[inRoom](&wsrouter.Options{Resume: &wsrouter.Resume{}, Overflow: overflow, Outbox: 2000, Logger: quiet})
			r.Sends(answer{})
			r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error { return r.Room("a").Join(c) })
			slow, quick := dial(t, r, "/", nil), dial(t, r, "/", nil)
			go quick.read()
			synctest.Wait()
			begun := time.Now()
			for range 100 {
				if err := r.Room("a").Broadcast(t.Context(), answer{Text: strings.Repeat("a", 100)}); err != nil {
					t.Fatal(err)
				}
			}
			took := time.Since(begun)
			time.Sleep(time.Second)
			if got := len(quick.got()); got != 101 || took > time.Second {
				t.Errorf("after %v the other has %d frames", took, got)
			}
			if s := r.Stats(); s.Members != 1 {
				t.Errorf("%d members are left", s.Members)
			}
			quick.close()
			slow.conn.Close()
		})
	}
}

// TestResumeRenamed: parameter, member and messages of Resume have the names that Options give them, and work.
func TestResumeRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := node(&wsrouter.Options{Resume: &wsrouter.Resume{Param: "since", Member: "place"}, Names: map[string]any{"entered": wsrouter.Joined{}}})
		hear := func(c *wstest.Client) (m struct {
			Type      string
			N         int
			Recovered bool
			Place     wsrouter.RoomPosition
		}) {
			t.Helper()
			if err := json.Unmarshal(c.Next().Data, &m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		c := wstest.Dial(t, r, "/?room=a")
		if m := hear(c); m.Type != "entered" {
			t.Errorf("heard %+v", m)
		}
		sayAll(t, r, "a", 1, 2)
		at := hear(c).Place
		if at.Room != "a" || at.At == "" {
			t.Fatalf("place %+v", at)
		}
		c.Close()
		sayAll(t, r, "a", 2, 3)
		c = wstest.Dial(t, r, "/?room=a&since="+url.QueryEscape(fmt.Sprintf(`{"a":%q}`, at.At)))
		if m := hear(c); m.Type != "entered" || !m.Recovered {
			t.Errorf("heard %+v", m)
		}
		if m := hear(c); m.N != 2 || m.Place.Room != "a" {
			t.Errorf("heard %+v", m)
		}
	})
}

// TestDefectResumeBytes: who missed more than Resume.Bytes has none of it, who missed as much has all, from the node's memory as from the broker's. Who had
// missed too many bytes in few messages was told nothing, and the broker's history was asked for again and again.
func TestDefectResumeBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		here, elsewhere := resumable(b, wsrouter.Resume{Bytes: 1000}), resumable(b, wsrouter.Resume{Bytes: 1000})
		c := wstest.Dial(t, here, "/?room=a") // stays
		at := []string{wstest.Expect[wsrouter.Joined](c).Position.At}
		var sizes []int
		for n := range 30 {
			sayAll(t, here, "a", n+10, n+11)
			f := c.Next()
			var p placed
			if err := json.Unmarshal(f.Data, &p); err != nil {
				t.Fatal(err)
			}
			at = append(at, p.Position.At)
			sizes = append(sizes, len(f.Data)+2) // the header of a short frame
		}
		for _, r := range []*wsrouter.Router[inRoom]{here, elsewhere} {
			for missed, size := 0, 0; missed < len(at); missed++ {
				if missed > 0 {
					size += sizes[len(sizes)-missed]
				}
				c := wstest.Dial(t, r, back("a", at[len(at)-1-missed]))
				j := wstest.Expect[wsrouter.Joined](c)
				fits := size <= 1000
				if *j.Recovered != fits || fits && j.Missed != missed || !fits && j.Missed != 0 {
					t.Errorf("%d missed, of %d bytes: %+v, recovered: %v", missed, size, j, *j.Recovered)
				}
				for n := range j.Missed {
					if m := heard(t, c); m.N != 40-missed+n {
						t.Errorf("%d missed: message %d is %d", missed, n, m.N)
					}
				}
				if !fits {
					if s := wstest.Expect[wsrouter.Resync](c); s.Reason != "overrun" {
						t.Errorf("resync %+v", s)
					}
				}
				c.Close()
				synctest.Wait()
			}
		}
	})
}
