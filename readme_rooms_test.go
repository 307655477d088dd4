package wsrouter_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/wsrouter-go/wsrouter"
	"github.com/wsrouter-go/wsrouter/broker"
	"github.com/wsrouter-go/wsrouter/wstest"
)

type Session struct {
	Room string `path:"room"`
}

type Talk struct {
	_    struct{} `ws:"talk"`
	Text string   `json:"text"`
}

func newRooms(b broker.Broker) *wsrouter.Router[Session] {
	rooms := wsrouter.New[Session](&wsrouter.Options{Broker: b, Resume: &wsrouter.Resume{}})
	rooms.OnConnect(func(ctx context.Context, c *wsrouter.Conn[Session]) error {
		return rooms.Room(c.Session.Room).Join(c) // replays what a client that comes back has missed
	})
	wsrouter.Receive(rooms, func(ctx context.Context, c *wsrouter.Conn[Session], m Talk) error {
		return rooms.Room(c.Session.Room).Broadcast(ctx, m) // nil: acknowledged; reaches the members on all nodes
	}, wsrouter.Sends(Talk{}))
	return rooms
}

// TestReadmeRooms: two routers on one broker are two nodes. natsbroker.Connect returns a broker that reaches over machines.
func TestReadmeRooms(t *testing.T) {
	nodes := broker.New(nil)
	dial := func() *wstest.Client {
		mux := http.NewServeMux()
		mux.Handle("/ws/{room}", newRooms(nodes))
		c := wstest.Dial(t, mux, "/ws/lobby")
		if got := wstest.Expect[wsrouter.Joined](c); got.Room != "lobby" || got.Recovered != nil {
			t.Errorf("joined %+v", got)
		}
		return c
	}
	ada, grace := dial(), dial()
	ada.Send(Talk{Text: "hi"})
	for _, c := range []*wstest.Client{ada, grace} {
		if got := wstest.Expect[Talk](c); got.Text != "hi" {
			t.Errorf("heard %+v", got)
		}
	}
}
