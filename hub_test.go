package wsrouter_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

// said is what the rooms of these tests say.
type said struct {
	_ none `ws:"said"`
	N int  `json:"n"`
}

// nodes are routers on one broker. Who connects with ?room= joins that room.
type inRoom struct {
	Room string `query:"room" required:"false"`
}

func node(o *wsrouter.Options) *wsrouter.Router[inRoom] {
	r := wsrouter.New[inRoom](o)
	r.Sends(said{})
	r.OnConnect(func(ctx context.Context, c *wsrouter.Conn[inRoom]) error {
		if c.Session.Room == "" {
			return nil
		}
		return r.Room(c.Session.Room).Join(c)
	})
	return r
}

// TestTwoNodes: what is broadcast on one node reaches the members of both, in order.
func TestTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := node(&wsrouter.Options{Broker: b}), node(&wsrouter.Options{Broker: b})
		c1, c2 := wstest.Dial(t, one, "/?room=a"), wstest.Dial(t, two, "/?room=a")
		synctest.Wait()
		for i := range 100 {
			r := one
			if i%2 == 1 {
				r = two
			}
			if err := r.Room("a").Broadcast(t.Context(), said{N: i}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			for _, c := range []*wstest.Client{c1, c2} {
				if m := wstest.Expect[said](c); m.N != i {
					t.Fatalf("got %d, want %d", m.N, i)
				}
			}
		}
	})
}

// resumable is a node with Resume, which tells in joins what went wrong.
func resumable(b broker.Broker, s wsrouter.Resume) *wsrouter.Router[inRoom] {
	return node(&wsrouter.Options{Broker: b, Resume: &s})
}

// back is the address of who comes back to room at position.
func back(room, at string) string {
	p, _ := json.Marshal(map[string]string{room: at})
	return "/?room=" + url.QueryEscape(room) + "&resume=" + url.QueryEscape(string(p))
}

// placed is said with its position.
type placed struct {
	Type     string                `json:"type"`
	N        int                   `json:"n"`
	Position wsrouter.RoomPosition `json:"position"`
}

func heard(t *testing.T, c *wstest.Client) (p placed) {
	t.Helper()
	if err := json.Unmarshal(c.Next().Data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDefectResumeFromNothing: a position before the first message of all is as good as any other; a node that had nobody in the room since did not ask the
// broker for what follows it.
func TestDefectResumeFromNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := resumable(broker.New(nil), wsrouter.Resume{})
		c := wstest.Dial(t, r, "/?room=a")
		at := wstest.Expect[wsrouter.Joined](c).Position.At
		c.Close()
		synctest.Wait()
		if err := r.Room("a").Broadcast(t.Context(), said{N: 1}); err != nil {
			t.Fatal(err)
		}
		c = wstest.Dial(t, r, back("a", at))
		if j := wstest.Expect[wsrouter.Joined](c); j.Recovered == nil || !*j.Recovered || j.Missed != 1 {
			t.Fatalf("joined %+v", j)
		}
		if m := heard(t, c); m.N != 1 {
			t.Errorf("heard %+v", m)
		}
	})
}

// TestResume: who comes back to another node hears what it missed, in order and once, and then what comes.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(nil)
		one, two := resumable(b, wsrouter.Resume{}), resumable(b, wsrouter.Resume{})
		say := func(n int) {
			t.Helper()
			if err := one.Room("a").Broadcast(t.Context(), said{N: n}); err != nil {
				t.Fatal(err)
			}
		}
		c := wstest.Dial(t, one, "/?room=a")
		if j := wstest.Expect[wsrouter.Joined](c); j.Room != "a" || j.Recovered != nil {
			t.Errorf("joined %+v", j)
		}
		say(1)
		at := heard(t, c).Position
		if at.Room != "a" || at.At == "" {
			t.Fatalf("position %+v", at)
		}
		c.Close()
		for n := 2; n < 10; n++ {
			say(n)
		}
		for _, r := range []*wsrouter.Router[inRoom]{two, one, two} {
			c = wstest.Dial(t, r, back("a", at.At))
			j := wstest.Expect[wsrouter.Joined](c)
			if j.Recovered == nil || !*j.Recovered || j.Missed != 8 || j.Position.At != at.At {
				t.Fatalf("joined %+v", j)
			}
			for n := 2; n < 10; n++ {
				if m := heard(t, c); m.N != n {
					t.Fatalf("heard %d, want %d", m.N, n)
				}
			}
			c.Close()
		}
	})
}

// TestResumeNot: a position that leads nowhere is answered by a resync, and what is said afterwards is heard.
func TestResumeNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(&broker.Options{Messages: 50})
		r := resumable(b, wsrouter.Resume{Messages: 10})
		c := wstest.Dial(t, r, "/?room=a")
		first := wstest.Expect[wsrouter.Joined](c).Position.At
		epoch, _, _ := strings.Cut(first, "-")
		for n := range 60 {
			if err := r.Room("a").Broadcast(t.Context(), said{N: n}); err != nil {
				t.Fatal(err)
			}
			heard(t, c)
		}
		for at, reason := range map[string]string{
			first:                  "overrun",
			epoch + "-49":          "overrun",
			epoch + "-50":          "",
			epoch + "-60":          "",
			epoch + "-61":          "unknown",
			epoch + "-060":         "unknown",
			"":                     "unknown",
			"-":                    "unknown",
			"x":                    "unknown",
			"other-60":             "epoch",
			epoch + "-1-60":        "epoch",
			epoch + "--1":          "epoch",
			"<script>\x00-1":       "epoch",
			epoch + "-" + "\u2028": "unknown",
		} {
			c := wstest.Dial(t, r, back("a", at))
			j := wstest.Expect[wsrouter.Joined](c)
			if *j.Recovered != (reason == "") {
				t.Errorf("%q: joined %+v", at, j)
			}
			if reason != "" {
				if s := wstest.Expect[wsrouter.Resync](c); s.Reason != reason || s.Position == nil || *s.Position != j.Position {
					t.Errorf("%q: resync %+v, want %s", at, s, reason)
				}
			}
			c.Close()
		}
	})
}

// away is a broker that cannot be reached, and says so in its own time.
type away struct{ broker.Broker }

func (a away) Notify(f func(broker.State)) { f(broker.Up); go f(broker.Down) }

// An outage while the router is made is known to it, whole.
func TestOutageAtNew(t *testing.T) {
	for range 100 {
		r := wsrouter.New[struct{}](&wsrouter.Options{Broker: away{broker.New(nil)}, Logger: slog.New(slog.DiscardHandler)})
		for r.Health() == nil {
			runtime.Gosched()
		}
		if err := r.Health(); !errors.Is(err, broker.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}
