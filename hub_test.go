package wsrouter_test

import (
	"context"
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
